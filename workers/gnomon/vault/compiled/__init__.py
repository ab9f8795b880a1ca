"""Hashes and JSON of sealed decisions in Cython, where they could be built; else Python makes both."""
