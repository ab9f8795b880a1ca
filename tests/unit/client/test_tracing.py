"""Traced functions return and raise exactly what they would without the decorator."""

import asyncio
import contextvars
import inspect
import sys
import traceback
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from typing import Any

import pytest

from gnomon.client import Client
from gnomon.events import TaskEvent, TaskFinished, TaskStarted

Sent = Callable[[], list[TaskEvent]]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def client(any_client: Client) -> Client:
    """Return the client; every test here runs with ``Client`` and with ``MemoryClient``."""
    return any_client


@pytest.fixture
def ended(published: Sent) -> Callable[[], list[tuple[str, bool, str | None]]]:
    """Return a function that lists type, success and error of each end so far."""

    def read() -> list[tuple[str, bool, str | None]]:
        ends = [event for event in published() if isinstance(event, TaskFinished)]
        return [(end.task_type, end.succeeded, end.error_type) for end in ends]

    return read


Ended = Callable[[], list[tuple[str, bool, str | None]]]


def test_a_function_is_named_after_itself(client: Client, ended: Ended) -> None:
    @client.traced
    def triage(ticket: str) -> str:
        """Sort it."""
        return ticket.upper()

    class Router:
        @client.traced
        def route(self, ticket: str) -> tuple["Router", str]:
            return self, ticket

        @client.traced("static", agent_id="other")
        @staticmethod
        def fixed() -> int:
            return 3

        @client.traced()
        @classmethod
        def kind(cls) -> type["Router"]:
            return cls

    router = Router()
    assert triage("x") == "X"
    assert (triage.__name__, triage.__doc__) == ("triage", "Sort it.")
    assert router.route("t") == (router, "t")
    assert (Router.fixed(), Router.kind()) == (3, Router)
    assert [name for name, _, _ in ended()] == ["triage", "Router.route", "static", "Router.kind"]


def test_arguments_of_the_decorator(client: Client, published: Sent) -> None:
    @client.traced("review", agent_id="critic", estimate_s=1.5, context={"lang": "py"})
    def work() -> None:
        return None

    work()
    start, end = published()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    for event in (start, end):
        assert (event.task_type, event.agent_id) == ("review", "critic")
        assert (event.estimate_s, event.context) == (1.5, {"lang": "py"})


def test_an_exception_is_the_same_with_its_traceback(client: Client, ended: Ended) -> None:
    error = ValueError("no")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as caught:
        client.traced(fail)()

    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names == [names[0], "called", "fail"]  # the decorator's own frame, and no other
    assert ended() == [("fail", False, "ValueError")]


async def test_a_coroutine(client: Client, ended: Ended) -> None:
    seen = contextvars.ContextVar("seen", default="")

    @client.traced("ask")
    async def ask(question: str) -> str:
        await asyncio.sleep(0)
        seen.set(question)
        return question

    assert inspect.iscoroutinefunction(ask)
    assert await ask("why") == "why"
    assert seen.get() == "why"
    assert ended() == [("ask", True, None)]


async def test_a_cancelled_coroutine_is_one_that_failed(client: Client, ended: Ended) -> None:
    @client.traced("wait")
    async def wait() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert ended() == [("wait", False, "CancelledError")]


def test_a_generator_is_a_task_until_it_ends(client: Client, ended: Ended) -> None:
    @client.traced("count")
    def count(most: int) -> Generator[int, str, str]:
        heard = ""
        for number in range(most):
            heard += yield number
        return heard

    assert inspect.isgeneratorfunction(count)
    running = count(2)
    assert ended() == []
    assert next(running) == 0
    assert running.send("a") == 1
    assert ended() == []
    with pytest.raises(StopIteration) as stop:
        running.send("b")
    assert stop.value.value == "ab"
    assert ended() == [("count", True, None)]


def test_a_generator_that_is_closed_has_succeeded(client: Client, ended: Ended) -> None:
    closed = []

    @client.traced("stream")
    def stream() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    running = stream()
    assert next(running) == 1
    running.close()  # type: ignore[attr-defined]

    assert closed == [True]
    assert ended() == [("stream", True, None)]


def test_an_exception_thrown_into_a_generator_reaches_it(client: Client, ended: Ended) -> None:
    @client.traced("stream")
    def stream() -> Generator[str, None, None]:
        try:
            yield "first"
        except KeyError as error:
            yield f"caught {error}"
        raise OSError("disk")

    running = stream()
    next(running)
    assert running.throw(KeyError(7)) == "caught 7"
    with pytest.raises(OSError, match="disk"):
        next(running)

    assert ended() == [("stream", False, "OSError")]


async def test_an_asynchronous_generator(client: Client, ended: Ended) -> None:
    @client.traced("tokens")
    async def tokens() -> AsyncGenerator[str, str]:
        try:
            heard = yield "a"
            await asyncio.sleep(0)
            yield heard
        except KeyError:
            yield "caught"

    assert inspect.isasyncgenfunction(tokens)
    assert [token async for token in tokens()] == ["a", None]
    talking = tokens()
    assert await anext(talking) == "a"
    assert await talking.asend("b") == "b"
    assert await talking.athrow(KeyError()) == "caught"
    await talking.aclose()

    assert ended() == [("tokens", True, None)] * 2


async def test_an_asynchronous_generator_that_is_left(client: Client, ended: Ended) -> None:
    closed = []

    @client.traced("tokens")
    async def tokens() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    running = tokens()
    async for _ in running:
        break
    await running.aclose()  # type: ignore[attr-defined]

    assert closed == [True]
    assert ended() == [("tokens", True, None)]


async def test_an_error_of_an_asynchronous_generator(client: Client, ended: Ended) -> None:
    error = OSError("gone")

    @client.traced("tokens")
    async def tokens() -> AsyncIterator[int]:
        yield 1
        raise error

    with pytest.raises(OSError, match="gone") as caught:
        _ = [token async for token in tokens()]

    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert ended() == [("tokens", False, "OSError")]


async def test_a_coroutine_that_a_function_returns(client: Client, ended: Ended) -> None:
    async def ask(question: str) -> str:
        await asyncio.sleep(0)
        if not question:
            raise KeyError
        return question

    @client.traced("ask")
    def asked(question: str) -> Coroutine[Any, Any, str]:
        return ask(question)

    waiting = asked("why")
    assert inspect.iscoroutine(waiting)
    assert waiting.__qualname__ == ask.__qualname__
    assert ended() == []
    assert await waiting == "why"
    with pytest.raises(KeyError):
        await asked("")
    assert ended() == [("ask", True, None), ("ask", False, "KeyError")]


@pytest.mark.parametrize("kind", [True, False], ids=["by Client", "by Task"])
def test_an_object_that_is_no_function_is_counted_and_returned_as_it_is(
    client: Client,
    ended: Ended,
    kind: bool,  # noqa: FBT001
) -> None:
    decorate: Any = client.traced if kind else client.task("x")

    @decorate
    class Agent:
        def work(self) -> int:
            return 1

    assert isinstance(Agent, type)
    assert isinstance(Agent(), Agent)
    assert decorate(7) == 7
    assert ended() == []
    assert client.stats().dropped_invalid == 2


def test_an_unknown_argument_of_the_decorator_is_counted(client: Client, ended: Ended) -> None:
    decorate: Any = client.traced("x", team="blue")  # type: ignore[call-overload]  # misspelt
    assert decorate(lambda: 3)() == 3

    assert ended() == [("x", True, None)]
    assert client.stats().dropped_invalid == 1


def test_a_link_is_in_both_events(client: Client, published: Sent) -> None:
    task = client.task("x")
    task.link(PARENT)
    with task:
        pass

    assert [event.traceparent for event in published() if hasattr(event, "traceparent")] == [
        PARENT,
        PARENT,
    ]


def test_a_link_set_inside_the_block_is_in_the_end(client: Client, published: Sent) -> None:
    with client.task("x") as task:
        task.link(PARENT)

    assert [event.traceparent for event in published() if hasattr(event, "traceparent")] == [
        None,
        PARENT,
    ]


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        None,
        7,
        PARENT.upper(),
        PARENT + "-00",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_a_wrong_traceparent_is_counted(client: Client, traceparent: Any) -> None:
    with client.task("x") as task:
        task.link(traceparent)

    assert client.stats().dropped_invalid == 1
    assert client.stats().accepted == 2


class Span:
    """Has the attributes of OpenTelemetry's span context."""

    def __init__(self, *, valid: bool = True, trace_id: int = 0x0AF7651916CD43DD8448EB211C80319C):
        self.is_valid, self.trace_id = valid, trace_id
        self.span_id, self.trace_flags = 0xB7AD6B7169203331, 1

    def get_span_context(self) -> "Span":
        return self


@pytest.mark.parametrize(
    ("span", "expected"),
    [(Span(), PARENT), (Span(valid=False), None), (Span(trace_id=1 << 200), None), (None, None)],
)
def test_the_trace_is_opentelemetrys_where_it_is_imported(
    client: Client,
    published: Sent,
    monkeypatch: pytest.MonkeyPatch,
    span: Span | None,
    expected: str | None,
) -> None:
    module = types.ModuleType("opentelemetry.trace")
    module.get_current_span = lambda: span  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    with client.task("x"):
        pass

    assert [event.traceparent for event in published() if hasattr(event, "traceparent")] == [
        expected,
        expected,
    ]
    assert client.stats().dropped == 0
