"""From a call of the agent to an event in the buffer: validation, outcomes, wrapping of functions."""
