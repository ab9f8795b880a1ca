"""A task ends with the future, coroutine or generator that its function returned."""

import asyncio
import concurrent.futures
import gc
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

from gnomon.client import Client, MemoryClient, ShadowLearner
from gnomon.events import TaskFinished, TaskStarted

Call = Callable[[Callable[[], Any]], Any]


class Agent:
    """An agent whose task returns the result of a given function."""

    def __init__(self, result: Callable[[], Any]) -> None:
        self._result = result

    def execute_task(self, task: object) -> Any:
        return self._result()


def by_learner(client: Client, result: Callable[[], Any]) -> Any:
    return ShadowLearner("a", Agent(result), client).execute_task("t")


def by_decorator(client: Client, result: Callable[[], Any]) -> Any:
    return client.traced("str", agent_id="a")(lambda: result())()  # noqa: PLW0108  a ``def``


@pytest.fixture
def client() -> MemoryClient:
    return MemoryClient()


@pytest.fixture(params=[by_learner, by_decorator])
def call(request: pytest.FixtureRequest, client: MemoryClient) -> Call:
    """Return a function that runs a task with a given result, traced in either way."""

    def made(result: Callable[[], Any]) -> Any:
        return request.param(client, result)

    return made


def ended(client: MemoryClient) -> list[tuple[bool, str | None]]:
    assert len(client.events(TaskStarted)) == 1
    return [(end.succeeded, end.error_type) for end in client.events(TaskFinished)]


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        (lambda future: future.set_result(7), (True, None)),
        (lambda future: future.set_exception(KeyError("no")), (False, "KeyError")),
        (lambda future: future.cancel(), (False, "CancelledError")),
    ],
    ids=["result", "exception", "cancelled"],
)
@pytest.mark.parametrize("thread", [False, True], ids=["asyncio", "concurrent"])
async def test_a_future_is_returned_itself(
    call: Call,
    client: MemoryClient,
    finish: Callable[[Any], None],
    expected: tuple[bool, str | None],
    thread: bool,  # noqa: FBT001
) -> None:
    future: Any = concurrent.futures.Future() if thread else asyncio.Future()

    assert call(lambda: future) is future
    await asyncio.sleep(0.02)
    assert ended(client) == []
    finish(future)
    await asyncio.sleep(0)
    assert ended(client) == [expected]
    assert client.events(TaskFinished)[0].duration_s >= 0.02
    future.cancelled() or future.exception()


async def test_a_future_that_is_done_already(call: Call, client: MemoryClient) -> None:
    future = asyncio.get_running_loop().create_future()
    future.set_result(7)

    assert call(lambda: future) is future
    assert ended(client) == [(True, None)]


def test_a_future_of_a_loop_that_is_closed(call: Call, client: MemoryClient) -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()

    assert call(lambda: future) is future
    assert ended(client) == [(True, None)]
    assert future.cancel()


async def test_asyncio_still_warns_of_an_exception_that_is_never_retrieved(
    call: Call, client: MemoryClient
) -> None:
    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, about: told.append(about["message"]))
    call(loop.create_future).set_exception(KeyError("no"))
    await asyncio.sleep(0)
    gc.collect()

    assert told == ["Future exception was never retrieved"]
    assert ended(client) == [(False, "KeyError")]


async def test_an_asyncio_task(call: Call, client: MemoryClient) -> None:
    working = asyncio.ensure_future(asyncio.sleep(0.02, result=7))

    assert await call(lambda: working) == 7
    await asyncio.sleep(0)
    assert ended(client) == [(True, None)]
    assert 0.02 <= client.events(TaskFinished)[0].duration_s < 5


async def tokens() -> AsyncGenerator[str, str]:
    try:
        heard = yield "a"
        await asyncio.sleep(0)
        yield f"heard {heard}"
    except KeyError:
        yield "caught"
    raise OSError("disk")


async def test_an_asynchronous_generator(call: Call, client: MemoryClient) -> None:
    running = call(tokens)
    is_one: bool = inspect.isasyncgen(running)
    assert is_one
    assert running.__qualname__ == "tokens"
    assert await anext(running) == "a"
    assert await running.asend("b") == "heard b"
    assert ended(client) == []
    with pytest.raises(OSError, match="disk") as caught:
        await anext(running)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert ended(client) == [(False, "OSError")]


async def test_an_asynchronous_generator_that_is_left(call: Call, client: MemoryClient) -> None:
    running = call(tokens)
    await anext(running)
    assert await running.athrow(KeyError()) == "caught"
    await running.aclose()

    assert ended(client) == [(True, None)]


async def test_a_generator_closed_before_its_first_item(call: Call, client: MemoryClient) -> None:
    running = call(tokens)
    assert ended(client) == []
    await running.aclose()

    assert ended(client) == [(True, None)]
    with pytest.raises(StopAsyncIteration):
        await anext(running)


async def test_a_generator_sent_a_value_before_its_first_item(call: Call) -> None:
    with pytest.raises(TypeError, match="just-started async generator"):
        await call(tokens).asend(7)


def count() -> Generator[Any, Any, str]:
    try:
        heard = yield 0
        yield heard
    except KeyError as error:
        yield f"caught {error}"
    return "end"


def test_a_generator(call: Call, client: MemoryClient) -> None:
    running = call(count)
    is_one: bool = inspect.isgenerator(running)
    assert is_one
    assert running.__name__ == "count"
    assert next(running) == 0
    assert running.send("b") == "b"
    assert running.throw(KeyError(7)) == "caught 7"
    assert ended(client) == []
    with pytest.raises(StopIteration) as stop:
        next(running)

    assert stop.value.value == "end"
    assert ended(client) == [(True, None)]


@pytest.mark.parametrize("items", [0, 1])
@pytest.mark.parametrize("close", [lambda running: running.close(), lambda _: None])
def test_a_generator_that_is_left(
    call: Call, client: MemoryClient, items: int, close: Callable[[Any], None]
) -> None:
    closed: list[bool] = []

    def stream() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    running = call(stream)
    assert [next(running) for _ in range(items)] == [1] * items
    assert ended(client) == []
    close(running)
    del running
    gc.collect()

    assert closed == [True] * items
    assert ended(client) == [(True, None)]


def test_a_generator_thrown_an_exception_before_its_first_item(
    call: Call, client: MemoryClient
) -> None:
    running, error = call(count), OSError("no")
    with pytest.raises(OSError, match="no") as caught:
        running.throw(error)

    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert ended(client) == [(False, "OSError")]


async def test_a_coroutine_that_is_closed(call: Call, client: MemoryClient) -> None:
    running = call(lambda: asyncio.sleep(1))
    running.send(None)
    running.close()

    assert ended(client) == [(True, None)]


def test_an_iterator_that_is_no_generator_is_the_very_one(call: Call, client: MemoryClient) -> None:
    iterator = iter([1, 2])

    assert call(lambda: iterator) is iterator
    assert ended(client) == [(True, None)]


@pytest.mark.parametrize("kind", ["async def", "generator"])
async def test_a_method_that_is_a_generator_is_a_task_from_its_first_item(
    client: MemoryClient, kind: str
) -> None:
    class Streams:
        async def execute_task(self, task: str) -> AsyncIterator[str]:
            yield task
            yield task

    class Counts:
        def execute_task(self, task: str) -> Iterator[str]:
            yield task
            yield task

    if kind == "async def":
        running = ShadowLearner("a", Streams(), client).execute_task("t")
        assert client.events() == []
        assert [item async for item in running] == ["t", "t"]
    else:
        counting = ShadowLearner("a", Counts(), client).execute_task("t")
        assert client.events() == []
        assert list(counting) == ["t", "t"]
    assert ended(client) == [(True, None)]
