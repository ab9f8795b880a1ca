"""What trains, judges and keeps, on a cluster that asks for TLS and login and denies what no right allows.

A replay fills a store and a registry there. The commands then work on these, each with the rights of its role
alone; those that need no Kafka are here too, because nothing of it may be in their way.
"""

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from tests.integration.replay.recorded import EXAMPLE, Replayed, Replaying
from tests.integration.security.conftest import grant_printed
from tests.support.commands import gnomon

from gnomon.broker import EmbeddedBroker

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]
RUNS = 140


@dataclass(frozen=True)
class Installation:
    """What a replay has left, and how each role reaches it."""

    secured: EmbeddedBroker
    replayed: Replayed
    prefix: str

    def variables(self, role: str) -> dict[str, str]:
        kafka = self.secured.as_user(role)
        return {
            "GNOMON_BROKERS": kafka.brokers,
            "GNOMON_TOPIC_PREFIX": self.prefix,
            "GNOMON_DATA_DIR": str(self.replayed.data),
            **kafka.security.as_environ(),
        }


def write_runs(path: Path) -> None:
    with EXAMPLE.open(newline="") as source, path.open("w", newline="") as target:
        csv.writer(target).writerows(islice(csv.reader(source), RUNS + 1))


@pytest.fixture(scope="module")
def installation(
    secured: EmbeddedBroker, granted: str, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Replay runs with the rights of the role ``replay``; then grant the other roles theirs."""
    folder = tmp_path_factory.mktemp("replay")
    write_runs(folder / "runs.csv")
    kafka = secured.as_user("replay")
    settings = {"GNOMON_TOPIC_PREFIX": granted, **kafka.security.as_environ()}
    replaying = Replaying(
        folder, folder / "runs.csv", train_every=0, brokers=kafka.brokers, settings=settings
    )
    with replaying:
        replayed = replaying.finished()
    prefix = f"{granted}replay-{replayed.data.name}-"
    grant_printed(secured.connection, prefix, "operator", "reader")
    return Installation(secured, replayed, prefix)


def test_a_replay_runs_with_the_rights_of_its_role(installation: Installation) -> None:
    ledger = installation.replayed.report["ledger"]
    assert (ledger["predictions"], ledger["matched"]) == (RUNS, RUNS)
    assert len(installation.replayed.records("comparisons")) == RUNS


@pytest.mark.parametrize(
    ("role", "command", "statuses", "said"),
    [
        ("operator", "train --min-decisions 50 --learner linear --no-analysis", {0}, "version"),
        ("operator", "learn --once --every-decisions 50 --no-analysis", {0}, ""),
        ("operator", "models promote 1", {0}, "champion"),
        ("operator", "models rollback", {0, 2}, ""),
        ("operator", "models list", {0}, "challenger"),
        ("reader", "models list", {0}, "challenger"),
        ("reader", "verdict --live", {3, 4, 5}, "CONTINUE"),
        ("reader", "verdict --comparisons {out}/comparisons.jsonl", {3, 4, 5}, "CONTINUE"),
        ("reader", "status --json", {0}, '"stages"'),
        ("operator", "explain {task}", {0}, "{task}"),
        ("operator", "replay --model gnomon@1 --out {folder}/scores", {0}, ""),
        ("operator", "vault list --limit 3", {0}, ""),
        ("operator", "vault read {task}", {0}, "{task}"),
        ("operator", "vault stats", {0}, str(RUNS)),
        ("operator", "vault verify", {0}, ""),
        ("operator", "vault export --to {folder}/exported", {0}, ""),
        ("operator", "keys check --all", {0}, ""),
        ("operator", "keys rotate", {0}, ""),
        ("operator", "keys rewrap", {0}, ""),
        ("operator", "keys list", {0}, ""),
        ("operator", "keys audit", {0}, ""),
        ("operator", "drill restore", {0}, "PASS"),
        ("operator", "drill security", {0, 1}, ""),
    ],
)
def test_a_command_works_with_the_rights_of_its_role(
    installation: Installation,
    tmp_path: Path,
    *,
    role: str,
    command: str,
    statuses: set[int],
    said: str,
) -> None:
    replayed = installation.replayed
    names = {
        "out": replayed.out,
        "folder": tmp_path,
        "task": replayed.records("comparisons")[-1]["task_id"],
    }
    done = gnomon(*command.format(**names).split(), **installation.variables(role))

    assert done.returncode in statuses, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "may not" not in done.stderr
    assert said.format(**names) in done.stdout
