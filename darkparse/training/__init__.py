"""Training, as Darknet does it."""
