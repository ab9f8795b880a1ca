"""Objects of which a process has one, however often the agent that holds it is copied."""

from typing import Never, Self


class ProcessBound:
    """A base class: a copy, shallow or deep, is the object itself, and it cannot be pickled."""

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
