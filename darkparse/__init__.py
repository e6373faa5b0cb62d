"""darkparse."""
