"""Model versions: training, the registry, and prediction on a batch."""
