"""Metrics of models, from joined decisions: rolling, over all time, against each baseline."""
