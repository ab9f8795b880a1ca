"""Explains predictions: which inputs and which earlier runs they were made of. Pure, no I/O."""

from gnomon.models.explaining.explainers import EXPLAINERS, Explainer, explain

__all__ = ["EXPLAINERS", "Explainer", "explain"]
