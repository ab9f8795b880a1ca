"""What dashboards and notebooks ask the tables of numbers."""

from gnomon.store.queries.reader import HOUR_MS, FigureQueries
from gnomon.store.queries.results import (
    Calibration,
    ChecklistLine,
    Improvement,
    KeysOf,
    LedgerAt,
    MetricsAt,
    Model,
    Predicted,
    Residuals,
    SeenAt,
    Stored,
    StoredBy,
    Tasks,
    VerdictAt,
)

__all__ = [
    "HOUR_MS",
    "Calibration",
    "ChecklistLine",
    "FigureQueries",
    "Improvement",
    "KeysOf",
    "LedgerAt",
    "MetricsAt",
    "Model",
    "Predicted",
    "Residuals",
    "SeenAt",
    "Stored",
    "StoredBy",
    "Tasks",
    "VerdictAt",
]
