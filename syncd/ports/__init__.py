"""What the engine needs of the world, as protocols that the engine owns."""
