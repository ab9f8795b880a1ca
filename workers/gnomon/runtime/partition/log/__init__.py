"""Reads the committed log of one partition: its offsets, a range of its records, and what was quarantined."""
