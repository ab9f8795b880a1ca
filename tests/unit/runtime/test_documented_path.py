"""The path of a batch in docs/architecture.md has names that exist, in at most eight hops."""

import pkgutil
import re
from pathlib import Path

ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"


def documented() -> list[str]:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    (section,) = re.findall(r"^## The path of one batch.*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)


def test_each_hop_is_a_function_of_the_runtime() -> None:
    hops = documented()

    assert 1 <= len(hops) <= 8
    for hop in hops:
        assert callable(pkgutil.resolve_name(f"gnomon.runtime.{hop}")), hop
