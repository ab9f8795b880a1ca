"""What commands do with stored decisions: open them, prove them, import those of another system."""
