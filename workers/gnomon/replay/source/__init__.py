"""Reads recorded runs from exports of other systems, and checks every row before anything is published."""

from gnomon.replay.source.building import Door
from gnomon.replay.source.columns import FIELDS, OPTIONAL, REQUIRED, UNITS, Columns
from gnomon.replay.source.formats.rows import BadInputError, Reading
from gnomon.replay.source.presets import PRESETS
from gnomon.replay.source.reading import Export, checked, read_export, read_runs
from gnomon.replay.source.runs import Run

__all__ = [
    "FIELDS",
    "OPTIONAL",
    "PRESETS",
    "REQUIRED",
    "UNITS",
    "BadInputError",
    "Columns",
    "Door",
    "Export",
    "Reading",
    "Run",
    "checked",
    "read_export",
    "read_runs",
]
