"""Step 3 of a cycle: match what was read with the known pairs."""
