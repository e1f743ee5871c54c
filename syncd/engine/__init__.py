"""The use cases, over ports: start with `cycle`."""
