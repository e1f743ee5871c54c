"""The pure core: values in, values out. Start with `plan`."""
