"""Yields the rows of a file in one of several formats, one at a time."""
