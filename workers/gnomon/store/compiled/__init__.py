"""Rows for ``COPY`` and numbers of decisions in Cython, where they could be built; else Python makes both."""
