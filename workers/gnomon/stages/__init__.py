"""The four stages, each a batch function on the runtime."""

STAGES = ("features", "shadow", "comparison", "vault")
"""In the order of the pipeline."""
OPTIONAL_STAGES = ("collector",)
"""Run where they are asked for by name."""
