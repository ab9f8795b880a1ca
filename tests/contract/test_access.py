"""The rights of the roles: what each may do and, above all, what none of them may."""

from collections import defaultdict

import pytest
import yaml

from gnomon.cli import main
from gnomon.contract.access import ROLES, Role, rights_of

TO_DESTROY = {"Delete", "Alter", "AlterConfigs", "ClusterAction", "IdempotentWrite", "All"}


def granted(role: Role) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for right in rights_of(role, prefix="p-"):
        found[right.resource, right.name] |= set(right.operations)
    return found


@pytest.mark.parametrize("role", ROLES)
def test_no_right_goes_beyond_the_prefix_or_destroys(role: Role) -> None:
    for (resource, name), operations in granted(role).items():
        assert resource in {"topic", "group", "transactional-id"}
        assert name.startswith("p-")
        assert not operations & TO_DESTROY
    assert all(
        right.resource == "transactional-id" or right.name == "p-replay-"
        for right in rights_of(role, prefix="p-")
        if right.prefixed
    )


def test_a_replay_may_do_nothing_beside_replays() -> None:
    assert {name for _, name in granted("replay")} == {"p-replay-"}


def test_an_agent_only_writes_what_agents_publish() -> None:
    assert granted("agent") == {
        ("topic", "p-task-events"): {"Write"},
        ("topic", "p-client-stats"): {"Write"},
        ("topic", "p-exposures"): {"Write"},
    }


def test_a_reader_writes_nothing_and_reads_no_sealed_decision() -> None:
    operations = {op for found in granted("reader").values() for op in found}

    assert operations == {"Read", "Describe", "DescribeConfigs"}
    assert "Read" not in granted("reader")["topic", "p-decisions"]


def test_a_worker_writes_no_event_of_an_agent_and_no_intent() -> None:
    writes = {name for (_, name), found in granted("worker").items() if "Write" in found}

    assert not writes & {"p-task-events", "p-exposures", "p-control"}
    assert "Read" not in granted("worker").get(("topic", "p-decisions"), set())


def test_a_kafka_user_of_strimzi_has_the_same_rights(capsys: pytest.CaptureFixture[str]) -> None:
    for role in ROLES:
        given = ["--role", role, "--prefix", "p-", "--user", f"my-{role}", "--format", "strimzi"]
        assert main(["topics", "acls", *given]) == 0
        user = yaml.safe_load(capsys.readouterr().out)

        assert (user["kind"], user["metadata"]["name"]) == ("KafkaUser", f"my-{role}")
        kinds = {"transactionalId": "transactional-id"}
        found = {
            (
                kinds.get(acl["resource"]["type"], acl["resource"]["type"]),
                acl["resource"]["name"],
            ): {*acl["operations"]}
            for acl in user["spec"]["authorization"]["acls"]
        }
        assert found == granted(role)


def test_without_a_role_the_command_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "acls"]) == 2
    assert "agent, worker, collector, operator, reader, replay" in capsys.readouterr().err
