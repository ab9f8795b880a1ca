"""What an operator does with a running installation: lag, clients, dead letters, topics, training, a local stack."""
