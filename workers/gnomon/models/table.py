"""Makes the input rows of models, with the same function in training and in serving.

``None`` becomes ``nan``. A feature of the rolling hour also becomes ``nan`` if the stage has read less
of that hour than ``MIN_HOUR_SEEN``, because its value would look normal and be wrong.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.events import Comparison, ContextValue, FeatureVector, HourFeatures, TaskFeatures

Kind = Literal["double", "string"]
Task = TaskFeatures | Comparison
"""The source of a row: both types have a task's start and its feature vector."""


class Column(NamedTuple):
    """One input of a model."""

    name: str
    kind: Kind


MIN_HOUR_SEEN: Final = 0.9
"""Share of the rolling hour that must have been read for a model to get its features."""

CONTEXT: Final = "context_"
"""Prefix of the columns made from the context that the agent gives at the start."""

MAX_CONTEXT_COLUMNS: Final = 32
MIN_CONTEXT_SHARE: Final = 0.05
"""Least share of the training rows with a context name for the name to get a column."""

_UNIT: Final = re.compile(r"experiment\..*\.unit")
"""Context names with the unit of an experiment, which has one value for each customer or repository."""

_HOURLY: Final = HourFeatures.__struct_fields__
_LASTING: Final = FeatureVector.__struct_fields__[len(_HOURLY) :]
_DOUBLES: Final = {name: at for at, name in enumerate((*_HOURLY, *_LASTING, "estimate_s"))}
_STRINGS: Final = {"agent_id": attrgetter("agent_id"), "task_type": attrgetter("task_type")}

COLUMNS: Final = (
    *(Column(name, "string") for name in _STRINGS),
    *(Column(name, "double") for name in _DOUBLES),
)
"""Every input that any task can have: seconds, shares in [0, 1] and counts, as in ``events``."""

_BY_NAME: Final = dict(COLUMNS)
_LARGEST: Final = 1e37
"""Largest value that fits the 32-bit floats of most models."""

_features = attrgetter(*(f"features.{name}" for name in (*_HOURLY, *_LASTING)))


def kind_of(name: str) -> Kind | None:
    """Return the kind of a column of ``COLUMNS``; ``None`` if it depends on the data."""
    return _BY_NAME.get(name)


class HasContext(Protocol):
    """Anything with the context that an agent gave at the start of a task."""

    @property
    def context(self) -> Mapping[str, ContextValue]:
        """Return the values by their names."""
        ...


def context_columns(tasks: Sequence[HasContext]) -> tuple[Column, ...]:
    """Return columns, by name, for the context names that occur often enough in training rows.

    Numbers and booleans make a column of doubles, strings one of strings. A name with both kinds
    makes no column.
    """
    return _chosen(tasks)[0]


def left_out(tasks: Sequence[HasContext]) -> dict[str, str]:
    """Return why each context name of the training rows makes no column, by name."""
    return dict(sorted(_chosen(tasks)[1].items()))


def _chosen(tasks: Sequence[HasContext]) -> tuple[tuple[Column, ...], dict[str, str]]:
    """Return the columns, by name, and why there is none for each other name."""
    seen: Counter[tuple[str, Kind]] = Counter()
    reasons: dict[str, str] = {}
    for task in tasks:
        for name, value in task.context.items():
            if value is None:
                reasons.setdefault(name, "it is always empty")
            elif _UNIT.fullmatch(name):
                reasons[name] = "it is the unit of an experiment"
            else:
                seen[name, "string" if isinstance(value, str) else "double"] += 1
    kinds = Counter(name for name, _ in seen)
    frequent: list[Column] = []
    for (name, kind), count in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        reasons.pop(name, None)
        if kinds[name] > 1:
            reasons[name] = "it has both numbers and texts"
        elif count < MIN_CONTEXT_SHARE * len(tasks):
            reasons[name] = f"only {count} of {len(tasks)} runs have it"
        elif len(frequent) == MAX_CONTEXT_COLUMNS:
            reasons[name] = f"{MAX_CONTEXT_COLUMNS} others are more frequent"
        else:
            frequent.append(Column(CONTEXT + name, kind))
    return tuple(sorted(frequent)), reasons


def to_frame(tasks: Sequence[Task], columns: Sequence[Column] = COLUMNS) -> pd.DataFrame:
    """Return one row for each task, in the order of ``tasks``, with exactly ``columns``.

    Args:
        tasks: Started tasks, or decisions.
        columns: Names of ``COLUMNS``, or of context names with the prefix ``CONTEXT``.

    Returns:
        ``float64`` columns if the kind is ``double``, with ``nan`` for a value that is missing, of
        another kind, or too large for a 32-bit float; else columns of strings or missing values.
    """
    return pd.DataFrame(columns_of(tasks, columns), copy=False)


def columns_of(
    tasks: Sequence[Task], columns: Sequence[Column] = COLUMNS
) -> dict[str, NDArray[np.float64] | list[str | None]]:
    """Return the columns of ``to_frame`` by name, as arrays."""
    doubles = _doubles(tasks)
    made: dict[str, NDArray[np.float64] | list[str | None]] = {}
    for name, kind in columns:
        if name in _DOUBLES:
            made[name] = doubles[:, _DOUBLES[name]]
        elif name in _STRINGS:
            made[name] = list(map(_STRINGS[name], tasks))
        else:
            made[name] = _context(tasks, name.removeprefix(CONTEXT), kind)
    return made


def _doubles(tasks: Sequence[Task]) -> NDArray[np.float64]:
    """Return the numeric columns, shape ``(n, len(_DOUBLES))``."""
    if not tasks:
        return np.empty((0, len(_DOUBLES)))
    rows = [(*_features(task), task.estimate_s) for task in tasks]
    values = np.asfortranarray(np.array(rows, dtype=np.float64))  # None becomes nan
    unseen = np.array([task.completeness.hour_seen for task in tasks]) < MIN_HOUR_SEEN
    if unseen.any():
        values[unseen, : len(_HOURLY)] = np.nan
    return _fitting(values)


def _context(
    tasks: Sequence[Task], name: str, kind: Kind
) -> NDArray[np.float64] | list[str | None]:
    given: Iterable[ContextValue] = (_get(task.context, name) for task in tasks)
    if kind == "string":
        return [value if isinstance(value, str) else None for value in given]
    return _fitting(np.fromiter(map(_number, given), dtype=np.float64, count=len(tasks)))


def _get(context: Mapping[str, ContextValue], name: str) -> ContextValue:
    return context.get(name)


def _number(value: ContextValue) -> float:
    with contextlib.suppress(OverflowError):
        return float(value) if isinstance(value, (int, float)) else np.nan
    return np.nan


def _fitting(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values[~(np.abs(values) <= _LARGEST)] = np.nan
    return values
