"""Experiments: a variant for each unit, who met which, and whether the variants differ.

``Router`` is for agents and as light as the client. ``ratio`` and ``analysis`` are pure.
"""

from gnomon.experiment.router import Router, RouterStats
from gnomon.experiment.settings import Experiment, Step

__all__ = ["Experiment", "Router", "RouterStats", "Step"]
