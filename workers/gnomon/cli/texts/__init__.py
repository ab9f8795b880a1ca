"""What commands print about training, replays and explanations."""
