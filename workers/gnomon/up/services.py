"""Runs what belongs to an installation beside broker and stages: gateway, learning, exporter, dashboard.

Each runs under a guard process, which ends it when this process ends, even by SIGKILL.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from gnomon.broker.guarded_process import guarded
from gnomon.operations.local_stack import StackError
from gnomon.runtime.process.supervisor import Child, Supervisor
from gnomon.up.health import Health

ASK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service.

    Attributes:
        name: Its name.
        arguments: What follows ``gnomon`` on its command line.
        environ: Its variables.
        health_url: Answers with 200 when it is ready; empty if it serves nothing.
        authority: The authority that signed the certificate of a ``https`` URL.
    """

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)
    health_url: str = ""
    authority: Path | None = None


class Services:
    """Keeps services running inside an async context.

    Args:
        services: What to run.
        on_line: Called with a service's name and each line that it writes.
    """

    def __init__(self, services: Sequence[Service], *, on_line: Callable[[str, str], None]) -> None:
        self._services = {service.name: service for service in services}
        self._supervisor = Supervisor(
            {
                name: guarded("-m", "gnomon", *service.arguments)
                for name, service in self._services.items()
            },
            environ=os.environ,
            environs={name: service.environ for name, service in self._services.items()},
            on_line=on_line,
        )
        self._running: asyncio.Task[int] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._trusted: dict[str, ssl.SSLContext] = {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S))
        self._running = asyncio.create_task(self._supervisor.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._supervisor.stop()
        if self._running is not None:
            await asyncio.wait([self._running])
        if self._http is not None:
            await self._http.close()

    def check(self) -> None:
        """Raise ``StackError`` if a service has stopped for good; the message has its last line."""
        for child in self._supervisor.children.values():
            if child.done:
                raise StackError(f"{child.name} has stopped for good: {child.last_line}")

    async def health(self) -> list[Health]:
        """Return the health of every service."""
        return list(
            await asyncio.gather(*(self._health(c) for c in self._supervisor.children.values()))
        )

    async def _health(self, child: Child) -> Health:
        service = self._services[child.name]
        ready = child.pid is not None and (not service.health_url or await self._answers(service))
        return Health(
            name=child.name,
            word="ready" if ready else "starting",
            restarts=max(0, child.starts - 1),
            detail="" if ready else child.last_line[:120],
        )

    async def _answers(self, service: Service) -> bool:
        if self._http is None:
            return False
        if service.authority is not None and service.name not in self._trusted:
            context = ssl.create_default_context(cafile=str(service.authority))
            self._trusted[service.name] = context
        trusted = self._trusted.get(service.name, True)
        try:
            async with self._http.get(service.health_url, ssl=trusted) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False
