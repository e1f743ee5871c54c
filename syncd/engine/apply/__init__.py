"""Step 5 of a cycle: write, intent first."""
