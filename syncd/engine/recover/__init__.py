"""Step 1 of a cycle: find out what became of writes whose outcome is unknown."""
