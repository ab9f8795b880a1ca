"""Keeps an installation running until it is told to stop, and tells how it is."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from gnomon.broker.probe import HOST, free_ports
from gnomon.operations.local_stack import LocalStack
from gnomon.settings import Settings
from gnomon.up.addresses import (
    Addresses,
    Ports,
    gateway_token,
    token_file,
    url_of,
    write_gateway_variables,
)
from gnomon.up.health import Health
from gnomon.up.services import Service, Services
from gnomon.up.view import Shown
from gnomon.up.watch import PipelineWatcher

LOOK_EVERY_S = 0.5
Show = Callable[[Shown], None]
NO_DASHBOARD = Health(
    name="dashboard", word="off", detail="pip install 'gnomon[dashboard]' brings it"
)


class Up:
    """Gateway, learning, exporter and dashboard beside a running stack.

    Args:
        stack: Broker and stages, running.
        ports: Where gateway, exporter and dashboard listen.
        secure: Whether the gateway serves over TLS and asks for a token.
        dashboard: Whether the command ``gnomon dashboard`` can be run.
        began_s: When the command was given, as ``time.monotonic`` tells.
    """

    def __init__(
        self, stack: LocalStack, *, ports: Ports, secure: bool, dashboard: bool, began_s: float
    ) -> None:
        self._stack, self._secure, self._dashboard = stack, secure, dashboard
        gateway, page, exporter = free_ports(3)
        self._ports = replace(
            ports,
            gateway=ports.gateway or gateway,
            dashboard=ports.dashboard or page,
            exporter=ports.exporter or exporter,
        )
        self._folder = Path(stack.settings.data_dir).absolute()
        self._began_s = began_s

    async def run(self, show: Show) -> NoReturn:
        """Run until cancelled; ``show`` is called with the state twice a second.

        Raises:
            StackError: A part has stopped for good.
        """
        addresses = self._addresses()
        async with (
            Services(self._services(), on_line=self._stack.note) as services,
            PipelineWatcher(self._stack) as watch,
        ):
            while True:
                self._stack.check()
                services.check()
                shown = Shown(
                    addresses=addresses,
                    health=await self._health(services),
                    pipeline=watch.state(),
                    running_s=time.monotonic() - self._began_s,
                    now_ms=time.time_ns() // 1_000_000,
                    data_dir=self._stack.settings.data_dir,
                )
                show(shown)
                await asyncio.sleep(LOOK_EVERY_S)

    def _addresses(self) -> Addresses:
        gateway = url_of(self._ports.gateway, secure=self._secure)
        variables = self._folder / "gateway.env" if self._secure else None
        broker = self._stack.broker
        if variables is not None and broker is not None:
            write_gateway_variables(
                variables, url=gateway, token=self._token(), certificate=broker.files.authority
            )
        return Addresses(
            kafka=self._stack.settings.brokers,
            gateway=gateway,
            dashboard=url_of(self._ports.dashboard) if self._dashboard else "",
            exporter=f"{url_of(self._ports.exporter)}/metrics",
            kafka_variables=(
                broker.files.variables_file("agent")
                if self._secure and broker is not None
                else None
            ),
            gateway_variables=variables,
        )

    def _services(self) -> list[Service]:
        gateway = self._gateway()
        learn = Service(
            name="learn",
            arguments=["learn"],
            environ=_environ(self._stack.settings_of("operator")),
        )
        exporter = Service(
            name="exporter",
            arguments=["exporter", "--host", HOST, "--port", f"{self._ports.exporter}"],
            environ=_environ(self._stack.settings_of("operator")),
            health_url=f"{url_of(self._ports.exporter)}/livez",  # ready: each source was read once
        )
        dashboard = Service(
            name="dashboard",
            arguments=["dashboard", "--port", f"{self._ports.dashboard}"],
            environ=_environ(self._stack.settings_of("operator")),
            health_url=f"{url_of(self._ports.dashboard)}/",
        )
        return [gateway, learn, exporter, *([dashboard] if self._dashboard else [])]

    def _gateway(self) -> Service:
        settings = self._stack.settings_of("agent")
        arguments = ["gateway", "--port", f"{self._ports.gateway}"]
        authority = None
        if self._secure and self._stack.broker is not None:
            files = self._stack.broker.files
            authority = files.authority
            settings = replace(settings, gateway_token=self._token())
            arguments += ["--certfile", str(files.keystore)]
        url = url_of(self._ports.gateway, secure=self._secure)
        spool = os.environ.get("GNOMON_SPOOL_DIR") or str(self._folder / "gateway-spool")
        return Service(
            name="gateway",
            arguments=arguments,
            environ={**_environ(settings), "GNOMON_SPOOL_DIR": spool},
            health_url=f"{url}/readyz",
            authority=authority,
        )

    def _token(self) -> str:
        given = self._stack.settings.gateway_token
        return given or gateway_token(token_file(self._stack.settings.data_dir))

    async def _health(self, services: Services) -> list[Health]:
        stages = [self._of_stage(name, n) for name, n in self._stack.workers.items()]
        absent = () if self._dashboard else (NO_DASHBOARD,)
        return [
            *self._of_broker(),
            *await asyncio.gather(*stages),
            *await services.health(),
            *absent,
        ]

    async def _of_stage(self, name: str, starts: int) -> Health:
        status = await self._stack.status(name)
        ready = status is not None and bool(status["ready"])
        return Health(
            name=name,
            word="ready" if ready else "starting",
            restarts=max(0, starts - 1),
            detail="" if ready else self._stack.last_lines.get(name, "")[:120],
        )

    def _of_broker(self) -> Iterable[Health]:
        kept = self._stack.kept_broker
        if kept is None:
            return ()
        return (
            Health(
                name="kafka",
                word="down" if kept.trouble else "ready",
                restarts=kept.restarts,
                detail=kept.trouble,
            ),
        )


def _environ(settings: Settings) -> dict[str, str]:
    return settings.environ_of_child(os.environ)
