"""Trials of a whole system on this machine, in a temporary folder, that end with figures."""
