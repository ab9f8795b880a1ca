"""Wrong arguments of any kind are counted and never raise."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.client.task_events import end

from gnomon.client import Client, MemoryClient
from gnomon.events import ContextValue, TaskEvent, TaskStarted


@pytest.fixture
def client(any_client: Client) -> Client:
    """Return the client; every test here runs with ``Client`` and with ``MemoryClient``."""
    return any_client


Published = Callable[[], list[TaskEvent]]
"""Returns the events that a client has published."""


class Hostile:
    """An object whose every method raises."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def keys(self) -> Iterator[str]:
        raise RuntimeError("keys")


def cyclic() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    return cycle


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(alphabet=st.characters(), max_size=300),
    st.binary(max_size=20),
    st.just("\ud800"),
    st.just("x" * 70_000),
    st.just(10**400),
    st.builds(Hostile),
    st.builds(cyclic),
    st.dictionaries(st.text(max_size=5), st.floats() | st.integers() | st.text(max_size=5)),
)
"""Values of every kind, most of them wrong wherever they are put."""


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(anything, min_size=13, max_size=13))
def test_no_argument_makes_it_raise(client: Client, values: list[Any]) -> None:
    with client.task(  # type: ignore[call-arg]
        values[0],
        agent_id=values[1],
        task_id=values[2],
        estimate_s=values[3],
        context=values[4],
        surprise=values[5],
    ) as task:
        task.set(code_review_iterations=values[6], deployment_succeeded=values[7], more=values[8])
        task.fail(values[9])
        task.link(values[10])
        task.set(**{"anything": values[11], "at all": values[12]})
    handle = client.start(
        values[0], agent_id=values[1], started_at_ms=values[10], context=values[5]
    )
    client.finish(handle, finished_at_ms=values[11], duration_s=values[12], succeeded=values[7])
    client.finish(values[2], error_type=values[3], code_review_iterations=values[4])
    client.start(values[3]).cancel(values[4])
    client.cancel(values[2], values[6])
    client.emit(values[8])

    stats = client.stats()
    assert stats.accepted == stats.delivered + stats.failed + stats.buffered + stats.in_flight


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(context=st.dictionaries(st.text(max_size=5), anything, max_size=3), agent=anything)
def test_a_sent_event_has_the_given_values(
    client: Client, published: Published, context: dict[str, Any], agent: Any
) -> None:
    """An event is sent as it was given or not at all: never with a value turned into null."""
    before = client.stats()
    event = TaskStarted(
        agent_id=agent, task_id="t", task_type="x", started_at_ms=1, context=context
    )
    accepted = client.emit(event)

    assert client.flush(5) == 0
    after = client.stats()
    assert (after.accepted - before.accepted) + (after.dropped - before.dropped) == 1
    if accepted:
        sent = published()[-1]
        assert isinstance(sent, TaskStarted)
        assert (sent.agent_id, sent.context) == (agent, context)


def start(context: dict[str, ContextValue] | None = None, **changes: Any) -> TaskStarted:
    fields: dict[str, Any] = {
        "agent_id": "a",
        "task_id": "t",
        "task_type": "x",
        "started_at_ms": 1_000,
    }
    return TaskStarted(**fields | changes, context=context or {})


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(end(agent_id="a" * 257), id="long agent_id"),
        pytest.param(end(agent_id=""), id="empty agent_id"),
        pytest.param(end(duration_s=-0.001), id="negative duration"),
        pytest.param(end(duration_s=math.nan), id="nan duration"),
        pytest.param(end(duration_s=math.inf), id="infinite duration"),
        pytest.param(end(started_at_ms=-1), id="before 1970"),
        pytest.param(end(code_review_iterations=-1), id="negative iterations"),
        pytest.param(start(estimate_s=math.nan), id="nan estimate"),
        pytest.param(start({"size": math.nan}), id="nan in context"),
        pytest.param(start({"size": -math.inf}), id="infinity in context"),
        pytest.param(start({"size": [1]}), id="nested context"),  # type: ignore[dict-item]
        pytest.param("a string", id="no event"),
    ],
)
def test_an_invalid_event_is_counted_as_such(client: Client, event: Any) -> None:
    assert client.emit(event) is False
    assert client.stats().dropped_invalid == 1
    assert client.stats().accepted == 0


def test_an_end_before_its_start_is_invalid(client: Client) -> None:
    task = client.start("x", started_at_ms=2_000)
    client.finish(task, finished_at_ms=1_999)

    assert client.stats().dropped_invalid == 1
    assert client.stats().accepted == 1


def test_the_limits_themselves_are_valid(client: Client, published: Published) -> None:
    events: list[TaskEvent] = [end(agent_id="é" * 256), end(finished_at_ms=1_000, duration_s=0.0)]

    assert [client.emit(event) for event in events] == [True, True]
    assert published() == events


@pytest.mark.parametrize(("extra", "oversize"), [(0, 0), (1, 1)])
def test_the_largest_record_is_64_kib(client: Client, extra: int, oversize: int) -> None:
    overhead = len(
        '{"kind":"task_started.v1","agent_id":"a","task_id":"t","task_type":"x",'
        '"started_at_ms":1000,"context":{"k":""},'
        f'"tenant":"{"t" * 64}","producer_id":"0123456789abcdef","seq":9007199254740991}}'
    )
    event = start({"k": "x" * (65_536 - overhead + extra)})

    assert client.emit(event) is (oversize == 0)
    assert client.stats().dropped_oversize == oversize


@pytest.mark.parametrize("timeout_s", ["soon", math.nan, [], Hostile()])
async def test_an_invalid_timeout_is_replaced_by_the_default(
    client: Client, timeout_s: Any
) -> None:
    assert client.flush(timeout_s) == 0
    assert await client.aflush(timeout_s) == 0
    assert client.close(timeout_s) == 0
    assert client.stats().dropped_invalid >= 2


@pytest.mark.parametrize("kind", [Hostile(), "TaskStarted", int, 3])
def test_a_kind_that_does_not_exist_has_no_events(kind: Any) -> None:
    client = MemoryClient(agent_id="a")
    client.start("x")

    assert client.events(kind) == []
    assert client.stats().dropped_invalid == (kind is not int)


def test_a_closed_client_counts_and_does_nothing_else(memory: Any) -> None:
    client = Client("kafka.invalid:9092", agent_id="a")
    with client.task("before"):
        pass
    assert client.close() == 0

    with client.task("after"):
        pass
    assert client.flush(0.1) == 0
    assert client.close() == 0
    assert len(memory.records) == 2
    assert client.stats().dropped_closed == 2


class HostileText(str):
    """A string whose methods lie or raise."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def encode(self, *_: object) -> bytes:
        raise RuntimeError("encode")


class HostileKey(HostileText):
    """A hostile object that is hashable."""

    __slots__ = ()

    def __hash__(self) -> int:
        return str.__hash__(self)


class HostileNumber(int):
    """A number whose methods lie or raise."""

    def __lt__(self, other: object) -> bool:
        raise RuntimeError("lt")

    def __le__(self, other: object) -> bool:
        raise RuntimeError("le")

    def __floordiv__(self, other: object) -> int:
        raise RuntimeError("floordiv")


class HostileMapping(dict[Any, Any]):
    """A mapping whose items raise."""

    def items(self) -> Any:
        raise RuntimeError("items")

    def copy(self) -> Any:
        raise RuntimeError("copy")

    def __len__(self) -> int:
        raise RuntimeError("len")


class Impostor:
    """An object that raises when it is asked for its class."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("class")

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise RuntimeError("class")


HOSTILE: dict[str, Callable[[], Any]] = {
    "string of its own": lambda: HostileText("a"),
    "number of its own": lambda: HostileNumber(3),
    "mapping of its own": lambda: HostileMapping(a=1),
    "impostor": Impostor,
    "object": Hostile,
    "10 MB": lambda: "x" * 10_000_000,
    "10 MB of bytes": lambda: b"x" * 10_000_000,
    "20 MB encoded": lambda: "é" * 10_000_000,
    "keys of its own": lambda: {HostileKey("a"): HostileText("b")},
    "values of its own": lambda: {"a": Impostor(), "b": HostileNumber(3), "c": cyclic()},
}


@pytest.fixture(params=["usual", "full", "closed", "disabled", "memory"])
def any_state(request: pytest.FixtureRequest, memory: Any) -> Iterator[Client]:
    """A client in any of the states it can be in."""
    if request.param == "memory":
        yield MemoryClient(agent_id="a")
        return
    brokers = "" if request.param == "disabled" else "kafka.invalid:9092"
    with Client(brokers, agent_id="a", max_events=1 if request.param == "full" else 100) as made:
        if request.param == "closed":
            made.close()
        if request.param == "full":
            made._intake.buffer.idle = False  # the thread is not woken, so nothing is taken
            made.start("fills it")
        yield made


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_in_every_place_and_state(any_state: Client, name: str) -> None:
    client, value = any_state, HOSTILE[name]()
    error = RuntimeError("the agent's own")
    task = client.task(value, agent_id=value, task_id=value, estimate_s=value, context=value)
    with pytest.raises(RuntimeError) as caught, task:  # noqa: PT012  what is said is no error
        task.set(code_review_iterations=value, deployment_succeeded=value, more=value)
        task.fail(value)
        task.link(value)
        raise error
    assert caught.value is error
    with client.task("x", context={"value": value}, estimate_s=value) as task:
        task.set(value=value)
        task.cancel(value)
    handle = client.start("x", started_at_ms=value, task_id=value)
    client.finish(handle, finished_at_ms=value, duration_s=value, succeeded=value, other=value)
    client.finish(value, error_type=value)
    client.cancel(value, value)
    client.emit(value)
    client.emit(end(agent_id=value, error_type=value, context=value, outcome={"a": value}))
    names = {"agent_id": "a", "task_id": "t", "task_type": "x"}
    client.emit(TaskStarted(**names, started_at_ms=value, context=value, estimate_s=value))  # type: ignore[arg-type]
    assert client.traced(value) is not None
    client.flush(0)

    stats = client.stats()
    parts = stats.delivered + stats.failed + stats.spooled + stats.buffered + stats.in_flight
    assert stats.accepted == parts
