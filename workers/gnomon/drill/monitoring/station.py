"""A stack that is watched: exporter, gateway, Prometheus and Alertmanager beside the workers."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from gnomon.broker.probe import HOST, free_ports
from gnomon.drill.child import DrillError
from gnomon.drill.monitoring import programs
from gnomon.drill.monitoring.configuration import alertmanager_config, prometheus_config
from gnomon.drill.monitoring.queries import Prometheus
from gnomon.drill.monitoring.shipped import shipped
from gnomon.drill.monitoring.webhook import Webhook
from gnomon.operations.local_stack import LocalStack

SETTLED_S: Final = 120.0
TURN_S: Final = 0.1


class Station:
    """Context manager that watches a running stack; inside it, every target was scraped well.

    Args:
        stack: Broker and workers.
        every_s: Seconds between two scrapes.
        alerting: Whether Alertmanager runs too, and sends notices to ``webhook``.
        gateway: Whether a gateway runs too.
        drill: Named if a program is missing.

    Attributes:
        prometheus: The running Prometheus.
        webhook: Receives the notices.
        gateway_url: Where the gateway listens; empty without one.
    """

    prometheus: Prometheus

    def __init__(
        self, stack: LocalStack, *, every_s: float, alerting: bool, gateway: bool, drill: str
    ) -> None:
        wanted = ("prometheus", "alertmanager") if alerting else ("prometheus",)
        self._programs = programs.find_programs(*wanted, drill=drill)
        self._stack, self._every_s, self._gateway = stack, every_s, gateway
        self._folder = Path(stack.settings.data_dir)
        self._open = AsyncExitStack()
        self._targets: set[str] = set()
        self.webhook = Webhook()
        self.gateway_url = ""

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def settled(self) -> None:
        """Wait until every target answers and no alert fires or is about to.

        Raises:
            DrillError: That took longer than ``SETTLED_S``.
        """
        deadline_s = time.monotonic() + SETTLED_S
        while True:
            self._stack.check()
            down = self._targets - await self.prometheus.up()
            alerts = await self.prometheus.alerts()
            noisy = [name for name, rule in alerts.items() if rule.state != "inactive"]
            if alerts and not down and not noisy:
                return
            if time.monotonic() > deadline_s:
                raise DrillError(f"before the drill: not scraped {sorted(down)}, alerts {noisy}")
            await asyncio.sleep(TURN_S)

    async def _start(self) -> None:
        folder, begin = self._folder, self._open.enter_async_context
        environ = self._stack.settings.environ_of_child(os.environ)
        exporter, gateway, alerts, prometheus = free_ports(4)
        targets = {name: f"{HOST}:{port}" for name, port in self._stack.ports.items()}
        every = ("exporter", "--every", "1", "--host", HOST)
        await begin(programs.gnomon(*every, port=exporter, folder=folder, environ=environ))
        targets["exporter"] = f"{HOST}:{exporter}"
        if self._gateway:
            await begin(programs.gnomon("gateway", port=gateway, folder=folder, environ=environ))
            targets["gateway"] = f"{HOST}:{gateway}"
            self.gateway_url = f"http://{HOST}:{gateway}"
        self._targets = set(targets)
        manager = self._programs.get("alertmanager")
        if manager is not None:
            await begin(self.webhook)
            routes = shipped("alertmanager/alertmanager.yml").read_text()
            config = folder / "alertmanager.yml"
            config.write_text(alertmanager_config(routes, receiver=self.webhook.url))
            await begin(programs.alertmanager(manager, port=alerts, config=config, folder=folder))
        config = folder / "prometheus.yml"
        config.write_text(
            prometheus_config(
                targets,
                rules=shipped("prometheus/rules.yml"),
                alertmanager=f"{HOST}:{alerts}" if manager else None,
                every_s=self._every_s,
            )
        )
        path = self._programs["prometheus"]
        await begin(programs.prometheus(path, port=prometheus, config=config, folder=folder))
        http = await begin(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)))
        self.prometheus = Prometheus(http, f"http://{HOST}:{prometheus}")
