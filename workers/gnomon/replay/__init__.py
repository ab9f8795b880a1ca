"""Recorded runs through the whole pipeline, and what each model achieved on them."""
