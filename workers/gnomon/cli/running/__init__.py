"""Commands that run a part of gnomon, or all of it."""
