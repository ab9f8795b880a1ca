"""Operates an installation: lag, clients, dead letters, topics, training, promotion, a local stack."""
