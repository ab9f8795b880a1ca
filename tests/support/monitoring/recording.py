"""What was recorded of real workers under normal load, and how it goes on for an hour."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml
from tests.support.monitoring.promtool import RULES, STEP_S

RECORDING: Final = Path(__file__).parent / "normal_load.json"


def recorded() -> dict[str, list[float]]:
    """Samples by series, 15 s apart; moments as seconds after the recording."""
    found: dict[str, list[float]] = json.loads(RECORDING.read_text())
    return found


def metrics_of_rules() -> set[str]:
    """The metrics that alerts and recording rules read, but for those that rules make."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    expressions = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    return set(re.findall(r"\b(?:gnomon_[a-z0-9_]+|up)\b", expressions))


def extended(values: Sequence[float], name: str, *, minutes: int) -> str:
    """Values for an hour, as promtool writes them: a counter grows on, a gauge repeats itself."""
    steps = minutes * 60 // STEP_S
    if re.search(r"_(total|bucket|count|sum)$", name):
        growth = (values[-1] - values[0]) / (len(values) - 1)
        return f"{values[0]!r}+{growth!r}x{steps}"
    return " ".join(repr(values[step % len(values)]) for step in range(steps + 1))
