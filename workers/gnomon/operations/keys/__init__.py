"""What ``gnomon keys`` does: list, rotate, rewrap, re-encrypt, shred, check. Each can be killed and run again."""
