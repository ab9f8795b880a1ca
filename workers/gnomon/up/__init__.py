"""Keeps all of gnomon running on this machine for a person's own agents."""
