"""Parts of ``gnomon verdict``: the log of comparisons, live evidence, experiments, drills."""
