"""Ways to learn, and the parts they share; ``catalog`` has them by name."""
