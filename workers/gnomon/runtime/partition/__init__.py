"""The work on one partition: recover its state, process batches, commit outputs and offsets together."""
