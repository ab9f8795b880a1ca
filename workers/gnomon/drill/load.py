"""Sends the requests of the drill at given times, whether or not earlier ones were answered.

It is a process of its own, so that it does not share the service's interpreter lock. Latency counts
from the time at which a request was due, so a service that stops for a while is measured in full.
"""

import asyncio
import random
import sys
from typing import Any

import aiohttp

from gnomon.drill.child import reply, requests

REQUEST_TIMEOUT_S = 10.0


def arrivals(*, rate_per_s: float, seconds: float, seed: int) -> list[float]:
    """Draw random request times in seconds from the start; the same seed gives the same times."""
    draw = random.Random(seed)  # noqa: S311  arrivals, not keys
    moments, at_s = [], draw.expovariate(rate_per_s)
    while at_s < seconds:
        moments.append(at_s)
        at_s += draw.expovariate(rate_per_s)
    return moments


class Load:
    """One round of requests to one service.

    Attributes:
        latencies_ms: Latencies of the requests that were answered with status 200.
        errors: Number of the other requests.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url
        self.latencies_ms: list[float] = []
        self.errors = 0

    async def run(self, moments: list[float]) -> None:
        """Send a request at each of ``moments``, and wait for the last response."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        asked = []
        for number, moment in enumerate(moments):
            await asyncio.sleep(max(0.0, began_s + moment - loop.time()))
            asked.append(asyncio.create_task(self._ask(number, began_s + moment)))
        await asyncio.gather(*asked)

    async def _ask(self, number: int, due_s: float) -> None:
        try:
            async with self._session.get(f"{self._url}?n={number}") as response:
                await response.read()
                good = response.status == 200  # noqa: PLR2004  HTTP's own
        except (aiohttp.ClientError, TimeoutError):
            good = False
        if good:
            took_s = asyncio.get_running_loop().time() - due_s
            self.latencies_ms.append(took_s * 1000)
        else:
            self.errors += 1


async def _round(request: dict[str, Any]) -> dict[str, object]:
    rate_per_s, seconds = request["rate_per_s"], request["seconds"]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        loads = [Load(session, url) for url in request["urls"]]
        runs = [
            load.run(
                arrivals(
                    rate_per_s=rate_per_s,
                    seconds=seconds,
                    seed=request["number"] * len(loads) + index,
                )
            )
            for index, load in enumerate(loads)
        ]
        await asyncio.gather(*runs)
    return {"services": [{"latencies_ms": x.latencies_ms, "errors": x.errors} for x in loads]}


def main() -> int:
    """Run one round for each request of the drill."""
    for request in requests():
        reply(asyncio.run(_round(request)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
