"""The committed contract, read without gnomon's own reader."""

import hashlib
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
EXAMPLES = SCHEMAS / "examples"
RELEASED = SCHEMAS / "released"
EXAMPLE_FILES = sorted(EXAMPLES.glob("*/*.json"))

TAGS = (
    "task_started.v1",
    "task_finished.v1",
    "task_cancelled.v1",
    "task_features.v1",
    "agent_features.v1",
    "prediction.v1",
    "prediction_shed.v1",
    "comparison.v1",
    "ledger.v1",
    "model_metrics.v1",
    "sealed_decision.v1",
    "audit_event.v1",
    "model_intent.v1",
    "model_switched.v1",
    "client_stats.v1",
    "client_seen.v1",
    "exposure.v1",
    "interval_correction.v1",
    "verdict_experiment.v1",
    "model_evidence.v1",
    "hour_evidence.v1",
    "vault_root.v1",
    "vault_head.v1",
)


def read(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``."""
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError(f"{path} is not a JSON object")
    return document


def schema(tag: str) -> dict[str, Any]:
    """The committed schema of one event."""
    return read(SCHEMAS / f"{tag}.schema.json")


def example(tag: str) -> dict[str, Any]:
    """The committed example that names every field: the largest whose name begins with full."""
    return max((read(path) for path in (EXAMPLES / tag).glob("full*.json")), key=len)


def manifest_faults(folder: Path) -> list[str]:
    """What in ``folder`` is not as its ``MANIFEST.sha256`` says (the format of ``sha256sum``)."""
    lines = (folder / "MANIFEST.sha256").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    present = {path.relative_to(folder).as_posix(): path for path in folder.glob("*/*.json")}
    return [
        *(f"missing: {name}" for name in sorted(listed.keys() - present.keys())),
        *(f"not listed: {name}" for name in sorted(present.keys() - listed.keys())),
        *(
            f"changed: {name}"
            for name in sorted(listed.keys() & present.keys())
            if hashlib.sha256(present[name].read_bytes()).hexdigest() != listed[name]
        ),
    ]
