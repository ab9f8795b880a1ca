"""Drills: tests of the whole system on this machine that end with measurements."""
