"""What people decide through the verbs, from the store into a cycle: start with `pending`."""
