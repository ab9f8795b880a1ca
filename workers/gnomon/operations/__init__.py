"""Operations on an installation: lag, clients, dead letters, topics, training, and a local stack."""
