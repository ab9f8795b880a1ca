"""Commands of the vault and its keys."""
