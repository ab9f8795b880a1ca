"""The names of aiokafka that it documents nowhere, and gnomon relies on, are as they were.

When a release of aiokafka fails here, the message says what it has renamed, and the table in
``gnomon.runtime.kafka`` says which module uses it.
"""

import ast
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import aiokafka
import pytest
from aiokafka import conn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from gnomon.runtime import kafka

SEE = f"in aiokafka {aiokafka.__version__}; who uses it: the docstring of gnomon.runtime.kafka"


def require(owner: Any, *names: str) -> None:
    """Fail, with what is missing and where to look, unless ``owner`` has all the names."""
    missing = [name for name in names if not hasattr(owner, name)]
    named = getattr(owner, "__name__", type(owner).__name__)
    assert not missing, f"{named} has no {', '.join(missing)} {SEE}"


def names_in(code: CodeType) -> Iterator[str]:
    """Globals and attributes that the code uses, nested functions' too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def used_by(cls: type, *, without: str = "") -> set[str]:
    methods = inspect.getmembers(cls, inspect.isfunction)
    return {n for name, f in methods if name != without for n in names_in(f.__code__)}


def own(cls: type) -> Any:
    """aiokafka's class, where another test has installed gnomon's in its place."""
    return next(base for base in cls.__mro__ if base.__module__.startswith("aiokafka."))


@pytest.fixture
async def a_fetcher() -> AsyncIterator[Any]:
    made = fetcher.Fetcher(AIOKafkaClient(), SubscriptionState())
    yield made
    await made.close()


def test_the_fetcher_takes_its_classes_from_its_module() -> None:
    """``fetched_records.install`` replaces them there."""
    require(fetcher, "PartitionRecords", "FetchResult", "MemoryRecords", "READ_COMMITTED")
    used = used_by(fetcher.Fetcher)
    for name in ("PartitionRecords", "FetchResult", "MemoryRecords"):
        assert name in used, f"Fetcher no longer creates {name} {SEE}"


def test_the_records_of_a_partition() -> None:
    made = own(fetcher.PartitionRecords)(
        TopicPartition("t", 0),
        MemoryRecords(b""),
        [],
        0,
        None,
        None,
        check_crcs=True,
        isolation_level=1,
    )
    require(
        made,
        *("_records", "_records_iterator", "_unpack_records", "_tp", "_check_crcs"),
        *("_isolation_level", "_aborted_producers", "_consume_aborted_up_to"),
        *("_contains_abort_marker", "next_fetch_offset"),
    )


def test_the_result_of_a_fetch() -> None:
    made = own(fetcher.FetchResult)(
        TopicPartition("t", 0), assignment=None, partition_records=None, backoff=0
    )
    require(
        made,
        *("_partition_records", "_topic_partition", "_update_position"),
        *("check_assignment", "getall", "getone", "has_more"),
    )


async def test_the_fetcher_looks_up_its_order_and_its_request_anew(a_fetcher: Any) -> None:
    """``consumer`` changes them between fetches."""
    require(a_fetcher, "_records", "_proc_fetch_request", "_max_partition_fetch_bytes")
    require(a_fetcher._records, "move_to_end")
    later = used_by(fetcher.Fetcher, without="__init__")
    for name in ("_records", "_proc_fetch_request", "_max_partition_fetch_bytes"):
        assert name in later, f"Fetcher reads {name} only when it is created {SEE}"


def test_the_consumer_has_a_fetcher() -> None:
    assert "_fetcher" in used_by(aiokafka.AIOKafkaConsumer), f"AIOKafkaConsumer: no _fetcher {SEE}"
    assert "_coordinator" in used_by(aiokafka.AIOKafkaConsumer), f"no _coordinator {SEE}"


def test_the_coordinator_has_the_membership() -> None:
    used = used_by(GroupCoordinator)
    for name in ("group_id", "generation", "member_id"):
        assert name in used, f"GroupCoordinator no longer has {name} {SEE}"


async def test_the_client() -> None:
    require(
        AIOKafkaClient(),
        *("bootstrap", "send", "close", "coordinator_lookup", "get_random_node"),
        *("force_metadata_update", "add_topic", "cluster"),
    )
    require(AIOKafkaClient().cluster, "partitions_for_topic", "leader_for_partition")


async def test_each_client_reads_its_password_when_it_connects() -> None:
    """``gnomon.connection.aiokafka_clients`` puts a property in the place of this attribute."""
    require(AIOKafkaAdminClient()._client, "_sasl_plain_password", "_ssl_context")
    for connects in (AIOKafkaClient.bootstrap, AIOKafkaClient._get_conn):
        source = inspect.getsource(connects)
        assert "sasl_plain_password=self._sasl_plain_password" in source, SEE
        assert "ssl_context=self._ssl_context" in source, SEE


def test_the_builder_of_record_batches() -> None:
    require(DefaultRecordBatchBuilder, "append", "set_producer_state", "build", "size")


def test_the_connection_joins_size_header_and_request_in_this_order() -> None:
    """``EncodedRequest`` relies on ``size + (header + request)``."""
    source = inspect.getsource(conn.AIOKafkaConnection.send)
    assert "message = header.encode() + request_struct.encode()" in source, SEE
    assert "size + message" in source, SEE


def foreign_private_names(path: Path) -> set[str]:
    """Private attributes that a module uses and does not define itself."""
    used, defined = set[str](), set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            own = isinstance(node.ctx, ast.Store) and getattr(node.value, "id", "") == "self"
            (defined if own else used).add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            defined.update(t.id for t in targets if isinstance(t, ast.Name))
    return {name for name in used - defined if not name.startswith("__")}


@pytest.mark.parametrize(
    "module",
    [
        "fetched_records",
        "transactions/producer",
        "transactions/produce_requests",
        "transactions/coordinators",
        "transactions/worker_writer",
    ],
)
def test_the_table_names_every_private_name_in_use(module: str) -> None:
    path = Path(kafka.__path__[0]) / f"{module}.py"
    missing = {n for n in foreign_private_names(path) if f"``{n}``" not in (kafka.__doc__ or "")}
    assert not missing, f"add to the docstring of gnomon.runtime.kafka: {sorted(missing)}"


def test_the_table_names_what_the_consumer_changes() -> None:
    """The rest of its private names are Faust's."""
    source = (Path(kafka.__path__[0]) / "consumer.py").read_text(encoding="utf-8")
    for name in foreign_private_names(Path(kafka.__path__[0]) / "consumer.py"):
        if f"fetcher.{name}" in source or f"consumer.{name}" in source:
            assert f"``{name}``" in (kafka.__doc__ or ""), name


async def test_the_position_in_a_partition() -> None:
    """``fetched_records.install`` replaces the class, which is how a jump is noticed."""
    require(subscription_state, "TopicPartitionState")
    state = own(subscription_state.TopicPartitionState)(None)
    require(state, "_position", "await_reset", "seek")
    used = used_by(subscription_state.Assignment)
    assert "TopicPartitionState" in used, f"Assignment no longer creates it {SEE}"
    assert "await_reset" in used_by(fetcher.Fetcher), f"Fetcher no longer calls it {SEE}"
    require(
        own(fetcher.FetchResult)(None, assignment=7, partition_records=None, backoff=0),
        "_assignment",
    )
    require(aiokafka.AIOKafkaConsumer, "offsets_for_times")
