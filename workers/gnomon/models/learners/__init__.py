"""Contains the learners and their shared parts; ``catalog`` lists the learners by name."""
