"""Judges learners on runs that began after the runs of their training had ended."""

from gnomon.models.evaluation.evaluate import CURRENT, evaluate, prediction_of
from gnomon.models.evaluation.measures import Evaluation, Measures, Rival, log_errors
from gnomon.models.evaluation.splits import HeldOut, Plan, fitted, splits

__all__ = [
    "CURRENT",
    "Evaluation",
    "HeldOut",
    "Measures",
    "Plan",
    "Rival",
    "evaluate",
    "fitted",
    "log_errors",
    "prediction_of",
    "splits",
]
