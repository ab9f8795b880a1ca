"""What is done with models: training, learning for ever, switching, explaining, live verdicts."""
