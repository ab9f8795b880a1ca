"""From a call of the agent to an event in the buffer: validation, outcome, wrapping of functions."""
