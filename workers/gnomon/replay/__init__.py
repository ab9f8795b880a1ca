"""Replays recorded runs through the whole pipeline, and reports the errors of each model."""
