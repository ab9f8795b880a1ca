"""What can be queried of decisions without a key: tables of numbers, and how their rows are made."""

from gnomon.compiled import load
from gnomon.store.figures import of_decision
from gnomon.store.figures.of_decision import DecisionHead, Figures
from gnomon.store.figures.of_metrics import MetricsRows, metrics_rows
from gnomon.store.figures.of_verdict import VerdictRows, verdict_rows
from gnomon.store.figures.writing import FigureTables

__all__ = [
    "DecisionHead",
    "FigureTables",
    "Figures",
    "MetricsRows",
    "VerdictRows",
    "figures_of",
    "metrics_rows",
    "verdict_rows",
]

_numbers = load("gnomon.store.compiled.numbers")
figures_of = of_decision.figures_of if _numbers is None else _numbers.figures_of
"""Compiled where it was built."""
