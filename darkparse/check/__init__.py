"""What is wrong with a cfg, its weights and its data, before anything is trained or detected."""
