"""A verdict for people: as text for a terminal, and as one page with pictures."""
