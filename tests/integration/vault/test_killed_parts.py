"""A process is killed between the parts of a large batch; the next one makes exactly one row a decision of it.

The oracle is what the decisions themselves say: their ids, in their order.
"""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.integration.vault.test_stage_roots import published, stored, verify
from tests.support.vaults import Vault, read, some

from gnomon.stages.vault import MOST_AT_ONCE
from gnomon.store import DecisionStore
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.vault import create_key_file

RECORDS = 4 * MOST_AT_ONCE + 500
KILLED = """
import sys, time
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests.support.vaults import Vault, read, some
from gnomon.store import DecisionStore

url, folder, kill_at, where, records = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
parts = 0
upsert = DecisionStore.upsert

def wait_for_the_kill():
    print("here", flush=True)
    time.sleep(60)

def counted(self, rows, **beside):
    global parts
    parts += 1
    upsert(self, rows, **beside)
    if where == "after its commit" and parts == kill_at:
        wait_for_the_kill()

DecisionStore.upsert = counted

@event.listens_for(Engine, "commit")
def _(connection):
    if where == "before its commit" and parts == kill_at:
        wait_for_the_kill()

with Vault(url, folder) as vault:
    vault.take(read(some(0, records), at=100))
"""


def killed(url: str, folder: Path, *, part: int, where: str) -> None:
    """Store the batch in a process that is killed when it has written this part."""
    with subprocess.Popen(  # noqa: S603  this interpreter
        [sys.executable, "-c", KILLED, url, str(folder), str(part), where, str(RECORDS)],
        env=os.environ, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def rows_of_numbers(url: str) -> tuple[int, int]:
    """Number of rows of tasks and of predictions."""
    with closing(DecisionStore(url)) as store, store.database.begin() as connection:
        tasks, predictions = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (TASKS, PREDICTIONS)
        )
    return tasks, predictions


@pytest.mark.parametrize(
    ("part", "where", "whole"),
    [(1, "before its commit", 0), (2, "after its commit", 2), (4, "before its commit", 3)],
)
def test_each_decision_is_there_once_after_a_kill_between_parts(
    url: str, tmp_path: Path, part: int, where: str, whole: int
) -> None:
    create_key_file(tmp_path / "kek.key")
    decisions = some(0, RECORDS)
    killed(url, tmp_path, part=part, where=where)

    with Vault(url, tmp_path) as vault:
        before = stored(vault)
        assert len(before) == whole * MOST_AT_ONCE
        out = published(vault.take(read(decisions, at=100)))

        now = stored(vault)
        names = [each.decision_id for each in decisions]
        assert [row.decision_id for row in out] == names
        assert {row.decision_id: row for row in out} == now
        assert before.items() <= now.items()
        assert rows_of_numbers(url) == (RECORDS, RECORDS)  # each has one model
        assert verify(vault) == []
