"""The four stages, each a batch function on the runtime."""
