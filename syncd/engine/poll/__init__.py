"""Step 2 of a cycle: read both sides, and note what the reading covers."""
