"""What fuzzing found, and where it begins, is read and written the same in both ways."""

import random
from pathlib import Path
from typing import Any

import pytest
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import CORPUS, TARGETS

from gnomon.features import SnapshotError, implementation, restore
from gnomon.features.memory.agent import Agent
from gnomon.runtime.kafka.compiled import batch_reader

pytestmark = pytest.mark.skipif(
    not (implementation.COMPILED and batch_reader),
    reason="gnomon was not compiled here: pip install says why",
)
MUTATIONS = 60


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    target = TARGETS[name]
    for data in target.corpus(name):
        target.check(data)


@pytest.mark.parametrize(
    "path", sorted((CORPUS / "snapshots").iterdir()), ids=lambda path: path.name
)
@pytest.mark.parametrize("form", [Agent, implementation.Agent], ids=["python", "compiled"])
def test_a_snapshot_that_no_agent_has_written_is_refused(path: Path, form: Any) -> None:
    """The checksums are right: what is refused is the columns."""
    with pytest.raises(SnapshotError, match="cannot be read"):
        restore(path.read_bytes(), form)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_mutations_of_it(name: str) -> None:
    """The same in every run; ``make fuzz`` tries others."""
    target, chance = TARGETS[name], random.Random(7)  # noqa: S311  no secret
    corpus = target.corpus(name)
    for _ in range(MUTATIONS):
        data = chance.choice(corpus)
        target.check(mutated(data, corpus, target.words, chance))
