"""Sealed decisions: envelope and keys. Pure but for reading a key."""
