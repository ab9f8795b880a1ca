"""What there is once in a process, however often an agent that holds it is copied."""

from typing import Never, Self


class Shared:
    """Its copies, of either kind, are itself; it cannot be pickled."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Never:
        kind = type(self).__name__
        raise TypeError(
            f"a {kind} belongs to its process and cannot be pickled: "
            "make a client in each, with Client.from_env()"
        )
