"""The work on one partition: recover its state, fold batches, commit outputs and offsets together."""
