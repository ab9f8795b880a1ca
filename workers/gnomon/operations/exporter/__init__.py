"""Serves the figures of the whole installation to Prometheus; each worker serves its own."""
