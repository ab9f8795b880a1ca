"""One stage as an operating-system process: life cycle, supervision, health and stalls."""
