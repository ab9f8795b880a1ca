"""The service of the drill: an agent behind HTTP, with or without gnomon's client in its process.

Each request is a task, which waits as if for a language model, and does a little work. Every
exception in a handler counts as an error, including exceptions of the client.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
import time
import zlib
from typing import Any

import msgspec
from aiohttp import web

from gnomon.client import Client
from gnomon.connection import KafkaSecurity
from gnomon.drill.child import reply, requests

HOST = "127.0.0.1"
WAIT_S = 0.010
TEXT = json.dumps([{"step": n, "thought": f"consider option {n % 7}"} for n in range(60)]).encode()
MAX_BUFFERED = 1_000
"""Size of the client's buffer: small, so that it becomes full during the drill."""


class Service:
    """Answers requests and counts them.

    Args:
        client: Publishes each request as a task; ``None`` for the service without gnomon.
    """

    def __init__(self, client: Client | None) -> None:
        self.client = client
        self.requests = self.errors = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; count an exception and answer with status 500."""
        self.requests += 1
        try:
            return await self._answered(request.query.get("n", "0"))
        except Exception:  # every error counts, as a web framework would report it
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

    def counts(self) -> dict[str, object]:
        """Return the counts so far; ``events`` are the client's own counts."""
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
    """Serve on a free port, which is part of each reply, until the end of standard input."""
    application = web.Application()
    application.router.add_get("/answer", service.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for _ in requests():
            reply({"port": _port(runner), **service.counts()})
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=listen, daemon=True).start()
    await done.wait()
    await runner.cleanup()


def _port(runner: web.AppRunner) -> int:
    address: tuple[Any, ...] = runner.addresses[0]
    return int(address[1])


def main() -> int:
    """Run the service until the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m gnomon.drill.service", description=__doc__)
    parser.add_argument("--brokers", default="", help="host:port; none: without the client")
    parser.add_argument("--prefix", default="", help="put before the topics' names")
    options = parser.parse_args()
    client = None
    if options.brokers:
        client = Client(
            options.brokers,
            topic_prefix=options.prefix,
            max_events=MAX_BUFFERED,
            security=KafkaSecurity.from_env(os.environ),
        )
    asyncio.run(serve(Service(client)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
