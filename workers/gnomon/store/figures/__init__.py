"""What can be queried of decisions without a key: tables of numbers, and how their rows are made."""

from gnomon.store.figures.of_decision import DecisionHead, Figures, figures_of
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
