"""What the vendors announce: where to look, within seconds of a change."""
