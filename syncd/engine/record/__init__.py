"""Step 6 of a cycle: keep what both sides show now."""
