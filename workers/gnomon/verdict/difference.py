"""Finds the first difference of two verdicts."""

from typing import Any

import msgspec


def first_difference(written: Any, found: Any, place: str = "") -> str | None:
    """Describe where and how two JSON values first differ; ``None`` if they are equal."""
    pairs: list[tuple[Any, Any, str]]
    if isinstance(written, dict) and isinstance(found, dict):
        for name in [*found, *written]:
            if name not in written or name not in found:
                only = "the file" if name in written else "the recomputation"
                return f"{place}{name} is only in {only}"
        pairs = [(written[name], found[name], f"{place}{name}") for name in found]
    elif isinstance(written, list) and isinstance(found, list) and len(written) == len(found):
        pairs = [
            (*both, f"{place}[{i}]") for i, both in enumerate(zip(written, found, strict=True))
        ]
    else:
        same = written == found and isinstance(written, bool) == isinstance(found, bool)
        return None if same else f"{place} is {_short(written)}, recomputed {_short(found)}"
    differences = (
        first_difference(one, other, f"{at}." if isinstance(other, dict) else at)
        for one, other, at in pairs
    )
    return next((difference for difference in differences if difference is not None), None)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries"
    return msgspec.json.encode(value).decode()
