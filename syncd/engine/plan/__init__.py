"""Step 4 of a cycle: decide what to write."""
