"""Runs the demo: all of gnomon on one machine, with agents that do real work."""
