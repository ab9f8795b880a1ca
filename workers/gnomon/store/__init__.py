"""The SQL store of sealed decisions."""
