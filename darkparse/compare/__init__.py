"""Two models side by side: where they part."""
