"""Each stage is known wherever stages are listed by name."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gnomon.operations.lag import INPUTS, OPTIONAL_INPUTS
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import NamesOutputs, Stage
from gnomon.settings import Settings
from gnomon.stages import OPTIONAL_STAGES, STAGES
from gnomon.stages.build import build_stage
from gnomon.topics import BY_NAME

ROOT = Path(__file__).parents[3]


def built(name: str, data_dir: Path) -> Stage[Any]:
    return build_stage(name, Settings(data_dir=str(data_dir)), Metrics())


@pytest.mark.parametrize("name", [*STAGES, *OPTIONAL_STAGES])
def test_a_stage_is_built_by_its_name(name: str, tmp_path: Path) -> None:
    assert built(name, tmp_path).name == name


def test_the_overview_knows_what_every_stage_reads(tmp_path: Path) -> None:
    assert {name: built(name, tmp_path).inputs for name in STAGES} == INPUTS
    assert {name: built(name, tmp_path).inputs for name in OPTIONAL_STAGES} == OPTIONAL_INPUTS


def test_every_output_of_a_stage_is_an_input_of_another_or_is_for_readers(tmp_path: Path) -> None:
    """All of them must have the partitions of the inputs, so a worker looks at each."""
    outputs: dict[str, set[str]] = {}
    for name in STAGES:
        stage = built(name, tmp_path)
        assert isinstance(stage, NamesOutputs)
        outputs[name] = set(stage.outputs)
    written = set().union(*outputs.values())
    by_others = {"task-events", "client-stats", "exposures", "control", "audit", "dead-letters"}
    assert written == BY_NAME.keys() - by_others
    assert sum(map(len, outputs.values())) == len(written)
    assert not isinstance(built("collector", tmp_path), NamesOutputs)  # it places records by key


def test_no_stage_may_import_another() -> None:
    """``lint-imports`` holds apart only the stages that ``pyproject.toml`` lists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (listed,) = [
        contract["modules"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
    ]
    assert set(listed) == {f"gnomon.stages.{name}" for name in (*STAGES, *OPTIONAL_STAGES)}


def test_the_documentation_gives_the_linger_of_every_stage(tmp_path: Path) -> None:
    text = " ".join((ROOT / "docs" / "architecture.md").read_text().split())
    found = re.search(r"\(`linger_ms`\): for (.+?), for all partitions", text)
    assert found is not None
    stated = {
        name: int(linger)
        for linger, names in re.findall(r"(\d+) ms \(([^)]*)\)", found[1])
        for name in re.findall(r"[a-z]+", names)
        if name != "and"
    }
    assert stated == {name: built(name, tmp_path).linger_ms for name in STAGES}
