"""One Kafka transaction for a batch: the outputs of a stage, and the offsets of its input."""
