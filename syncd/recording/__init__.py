"""One dry cycle in a file: everything that it read, persons replaced, to be replayed anywhere."""
