"""Shows a verdict to people: as text for a terminal, and as one page with charts."""
