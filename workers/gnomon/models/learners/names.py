"""Maps strings to row numbers of a table that is stored without pickle."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class Names:
    """Maps each of some strings to a row of its own.

    Attributes:
        names_: The strings, shape ``(n,)``; every other string, and ``None``, has the row ``n``.
    """

    names_: NDArray[np.str_]

    def fit(self, names: Iterable[str]) -> Self:
        """Number ``names``, which are distinct, in their order."""
        self.names_ = np.array(list(names), dtype=np.str_)
        return self

    def __len__(self) -> int:
        return len(self.names_)

    def rows(self, strings: Iterable[object]) -> NDArray[np.intp]:
        """Return the row of each of ``strings``, shape ``(len(strings),)``."""
        lookup: dict[object, int] | None = self.__dict__.get("_lookup")
        if lookup is None:
            lookup = {name: index for index, name in enumerate(self.names_.tolist())}
            self.__dict__["_lookup"] = lookup
        other = len(lookup)
        return np.array([lookup.get(s, other) for s in strings], dtype=np.intp)

    def __getstate__(self) -> dict[str, Any]:
        """Return the stored state, without the dictionary, which follows from ``names_``."""
        return {"names_": self.names_}
