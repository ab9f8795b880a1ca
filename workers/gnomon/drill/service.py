"""The service of the drill: an agent behind HTTP, with or without gnomon's client in its process.

A request is a task: a wait, as for a language model, and a little work of its own. An error is
whatever leaves a handler, the client's included.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import threading
import time
import zlib
from typing import Any

import msgspec
from aiohttp import web

from gnomon.client import Client
from gnomon.drill.child import reply, requests

HOST = "127.0.0.1"
WAIT_S = 0.010
TEXT = json.dumps([{"step": n, "thought": f"consider option {n % 7}"} for n in range(60)]).encode()
MOST_WAITING = 1_000
"""Events the client may hold: few, so that the drill also has a full buffer in it."""


class Service:
    """Answers requests and counts.

    Args:
        client: Told of each request; ``None``: the service knows nothing of gnomon.
    """

    def __init__(self, client: Client | None) -> None:
        self.client = client
        self.requests = self.errors = 0

    async def handle(self, request: web.Request) -> web.Response:
        """One request; an exception is counted and answered with status 500."""
        self.requests += 1
        try:
            return await self._answered(request.query.get("n", "0"))
        except Exception:  # a process edge: the drill counts what a framework would report
            self.errors += 1
            return web.Response(status=500)

    async def _answered(self, number: str) -> web.Response:
        if self.client is None:
            return web.json_response({"size": await _work()})
        with self.client.task(
            "answer", agent_id=f"agent-{int(number) % 8}", estimate_s=WAIT_S, context={"n": number}
        ) as task:
            size = await _work()
            task.set(code_review_iterations=size % 3)
        return web.json_response({"size": size})

    def figures(self) -> dict[str, object]:
        """What it has seen so far; ``events`` are the client's own figures."""
        stats = {} if self.client is None else msgspec.structs.asdict(self.client.stats())
        dropped = 0 if self.client is None else self.client.stats().dropped
        events = {**stats, "dropped": dropped}
        return {
            "requests": self.requests,
            "errors": self.errors,
            "events": events,
            "cpu_s": time.process_time(),
        }


async def _work() -> int:
    await asyncio.sleep(WAIT_S)
    return len(zlib.compress(TEXT, 6))


async def serve(service: Service) -> None:
    """Serve on a free port, which is part of each answer, until nobody asks any more."""
    application = web.Application()
    application.router.add_get("/answer", service.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for _ in requests():
            reply({"port": _port(runner), **service.figures()})
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=listen, daemon=True).start()
    await done.wait()
    await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    address: tuple[Any, ...] = runner.addresses[0]
    return int(address[1])


def main() -> int:
    """Run the service by itself."""
    parser = argparse.ArgumentParser(prog="python -m gnomon.drill.service", description=__doc__)
    parser.add_argument("--brokers", default="", help="host:port; none: without the client")
    parser.add_argument("--prefix", default="", help="put before the topics' names")
    options = parser.parse_args()
    client = None
    if options.brokers:
        client = Client(options.brokers, topic_prefix=options.prefix, max_events=MOST_WAITING)
    asyncio.run(serve(Service(client)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
