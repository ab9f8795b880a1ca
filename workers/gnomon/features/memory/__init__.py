"""What one agent has done, as far as its features need it: the Python form, and its interface."""
