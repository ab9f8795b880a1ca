"""Keeps the median duration and success rate of each task type, stored in a version at training.

The baseline ``type`` is read from it. All state is in arrays, for skops.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.models.baselines import NOTHING, Predicted

LAST_RUNS: Final = 100
"""Most last runs of each type, over all agents."""
MAX_TYPES: Final = 10_000
"""Most types that are kept, the latest ones: names that never repeat must not fill the registry."""


def last_runs(types: Sequence[str | None]) -> dict[str, list[int]]:
    """Return the rows of the last ``LAST_RUNS`` runs of each type, by type; ``types`` is by time."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row in range(len(types) - 1, -1, -1):
        name = types[row]
        if name is None or (name not in rows and len(rows) >= MAX_TYPES):
            continue
        if len(rows[name]) < LAST_RUNS:
            rows[name].append(row)
    return {name: of_type[::-1] for name, of_type in rows.items()}


class TypeTable:
    """The median duration and the success rate of the last runs of each task type.

    Attributes:
        names_: Task types, shape ``(n,)``.
        durations_: Medians in seconds, shape ``(n,)``.
        rates_: Success rates, shape ``(n,)``.
    """

    names_: NDArray[np.str_]
    durations_: NDArray[np.float64]
    rates_: NDArray[np.float64]

    def fit(
        self,
        types: Sequence[str | None],
        durations: NDArray[np.float64],
        successes: NDArray[np.bool_],
    ) -> Self:
        """Learn from runs in the order of time; durations in seconds."""
        rows = last_runs(types)
        self.names_ = np.array(list(rows), dtype=np.str_)
        self.durations_ = np.array([np.median(durations[r]) for r in rows.values()], np.float64)
        self.rates_ = np.array([np.mean(successes[r]) for r in rows.values()], np.float64)
        return self

    def predict(self, types: Sequence[str]) -> list[Predicted]:
        """Return the prediction for each of ``types``, in their order."""
        lookup: dict[str, Predicted] | None = self.__dict__.get("_lookup")
        if lookup is None:
            figures = zip(self.durations_.tolist(), self.rates_.tolist(), strict=True)
            lookup = dict(zip(self.names_.tolist(), figures, strict=True))
            self.__dict__["_lookup"] = lookup
        return [lookup.get(name, NOTHING) for name in types]

    def __getstate__(self) -> dict[str, Any]:
        """Return the stored state, without the dictionary, which follows from the arrays."""
        return {"names_": self.names_, "durations_": self.durations_, "rates_": self.rates_}
