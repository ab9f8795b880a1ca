"""Assigns variants to units, records exposures, and tests whether the variants differ.

Agents use ``Router``, which imports no more than the client. ``ratio`` and ``analysis`` are pure.
"""

from gnomon.experiment.router import Router, RouterStats
from gnomon.experiment.settings import Experiment, Step

__all__ = ["Experiment", "Router", "RouterStats", "Step"]
