"""Examples of every event: append-only, readable by gnomon for ever, and valid for others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from tests.contract.contract_files import (
    EXAMPLE_FILES,
    EXAMPLES,
    RELEASED,
    TAGS,
    example,
    manifest_faults,
    schema,
)

from gnomon import codec
from gnomon.events import EVENTS, AgentFeatures, AuditEvent, ModelSwitched

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "task_started.v1": codec.decode_task_event,
    "task_finished.v1": codec.decode_task_event,
    "task_cancelled.v1": codec.decode_task_event,
    "task_features.v1": codec.decode_task_features,
    # No stage reads agent-features: it is there for others.
    "agent_features.v1": msgspec.json.Decoder(AgentFeatures).decode,
    "prediction.v1": codec.decode_prediction,
    "prediction_shed.v1": codec.decode_prediction,
    "comparison.v1": codec.decode_comparison,
    "ledger.v1": codec.decode_metrics,
    "model_metrics.v1": codec.decode_metrics,
    # No stage reads the audit: it is there for auditors.
    "audit_event.v1": msgspec.json.Decoder(AuditEvent).decode,
    "sealed_decision.v1": codec.decode_sealed_decision,
    "model_intent.v1": codec.decode_model_intent,
    # No stage reads model-switches: it is there for audits.
    "model_switched.v1": msgspec.json.Decoder(ModelSwitched).decode,
    "client_stats.v1": codec.decode_client_event,
    "client_seen.v1": codec.decode_client_event,
    "exposure.v1": codec.decode_exposure,
    "interval_correction.v1": codec.decode_interval_correction,
    "verdict_experiment.v1": codec.decode_evidence,
    "model_evidence.v1": codec.decode_evidence,
    "hour_evidence.v1": codec.decode_evidence,
    "vault_root.v1": codec.decode_vault_root,
    "vault_head.v1": codec.decode_vault_root,
}


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("tag", TAGS)
def test_every_event_has_several_examples_and_one_names_every_field(tag: str) -> None:
    event = next(e for e in EVENTS if e.__struct_config__.tag == tag)
    assert len(list((EXAMPLES / tag).glob("*.json"))) >= 3
    assert example(tag).keys() == {"kind", *event.__struct_fields__}


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=_id)
def test_an_example_decodes_to_what_it_says(path: Path) -> None:
    given = json.loads(path.read_bytes())
    event = DECODERS[path.parent.name](path.read_bytes())
    encoded = json.loads(codec.encode(event))
    assert encoded["kind"] == path.parent.name
    for name in given.keys() & encoded.keys():
        assert _without_defaults(encoded[name], given[name]) == given[name]


def _without_defaults(encoded: Any, given: Any) -> Any:
    """``encoded`` cut down to what ``given`` names, at any depth."""
    if isinstance(encoded, dict) and isinstance(given, dict):
        return {name: _without_defaults(encoded.get(name), part) for name, part in given.items()}
    if isinstance(encoded, list) and isinstance(given, list) and len(encoded) == len(given):
        return [_without_defaults(*pair) for pair in zip(encoded, given, strict=True)]
    return encoded


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=_id)
def test_an_example_is_valid(path: Path) -> None:
    validator = jsonschema.Draft202012Validator(schema(path.parent.name))
    assert list(validator.iter_errors(json.loads(path.read_bytes()))) == []


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=_id)
def test_what_gnomon_writes_is_valid(path: Path) -> None:
    written = codec.encode(DECODERS[path.parent.name](path.read_bytes()))
    validator = jsonschema.Draft202012Validator(schema(path.parent.name))
    assert list(validator.iter_errors(json.loads(written))) == []


@pytest.mark.parametrize("folder", [EXAMPLES, RELEASED], ids=lambda path: path.name)
def test_nothing_committed_for_good_was_changed_or_removed(folder: Path) -> None:
    assert manifest_faults(folder) == []


@pytest.mark.parametrize("fault", ["changed", "missing", "not listed"])
def test_the_manifest_sees_every_fault(fault: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    victim = tmp_path / "ledger.v1" / "full.json"
    if fault == "changed":
        victim.write_text(victim.read_text() + " ")
    elif fault == "missing":
        victim.unlink()
    else:
        victim = tmp_path / "ledger.v1" / "another.json"
        victim.write_text("{}")
    assert manifest_faults(tmp_path) == [f"{fault}: ledger.v1/{victim.name}"]
