"""``gnomon demo``: run all of gnomon on this machine, with agents that do real work."""

import argparse
import asyncio
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.cli.texts.saying import at_least_seconds, say
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.demo.run import Show
    from gnomon.operations.local_stack import LocalStack
    from gnomon.up.addresses import Ports
    from gnomon.up.watch import PipelineState

MIN_SECONDS = 20.0
CLOSING_S = 8.0
"""Part of the given time that is reserved for the last outcomes to arrive."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--seconds",
        type=at_least_seconds(MIN_SECONDS),
        default=90.0,
        metavar="N",
        help="duration, including the start (90); longer until a trained version has predicted",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of the agents' work (1)"
    )
    parser.add_argument(
        "--secure", action="store_true", help="run a broker that lets in over TLS only, by password"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="when the agents have ended, go on as gnomon up does, with what they did, until Ctrl-C",
    )
    parser.epilog = "example: gnomon demo --seconds 60"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run the demo and print the verdict; Ctrl-C stops everything in order, as SIGTERM does.

    Returns:
        0, or 130 after Ctrl-C and 143 after SIGTERM before the verdict.
    """
    try:
        return asyncio.run(_demo(options, _isolated_settings(settings), data_dir=settings.data_dir))
    except asyncio.CancelledError:
        return 143


def _isolated_settings(settings: Settings) -> Settings:
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return Settings.from_env(
        {
            "GNOMON_DATA_DIR": str(Path(settings.data_dir) / "demos" / name),
            "GNOMON_MODEL_POLL_S": "1",
            "GNOMON_SESSION_TIMEOUT_S": "6",
            "GNOMON_LOG_LEVEL": settings.log_level,
        }
    )


async def _demo(options: argparse.Namespace, settings: Settings, *, data_dir: str) -> int:
    from gnomon.demo.run import Demo  # noqa: PLC0415
    from gnomon.operations.local_stack import LocalStack  # noqa: PLC0415
    from gnomon.stages import STAGES  # noqa: PLC0415
    from gnomon.up.addresses import Ports  # noqa: PLC0415

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began_s = time.monotonic()
    ports = Ports(kafka=0, gateway=0, dashboard=0, exporter=0, workers=0)
    warming = asyncio.create_task(asyncio.to_thread(_warm_up, settings))
    async with LocalStack(
        settings,
        own_broker=True,
        stages=STAGES,
        progress=say,
        secure=options.secure,
        keep_broker=options.keep,
    ) as stack:
        await warming
        from gnomon.operations.models.training import Trainer  # noqa: PLC0415  imported while warming

        trainer = Trainer(stack.settings, author="demo")
        left_s = options.seconds - CLOSING_S - (time.monotonic() - began_s)
        with _Screen() as show:
            demo = Demo(stack, trainer=trainer, show=show, seed=options.seed)
            state = await demo.run(seconds=max(MIN_SECONDS - CLOSING_S, left_s))
        stored = await asyncio.to_thread(trainer.stored)
        if options.keep:
            _verdict(state, stored=stored, settings=settings, data_dir=data_dir)
            await _keep(stack, ports=ports, secure=options.secure, began_s=began_s)
            return 0
    _verdict(state, stored=stored, settings=settings, data_dir=data_dir)
    return 0


async def _keep(stack: "LocalStack", *, ports: "Ports", secure: bool, began_s: float) -> None:
    """Go on as ``gnomon up`` until Ctrl-C or SIGTERM."""
    from gnomon.cli.running.up import cancel_on_signals, dashboard_is_there  # noqa: PLC0415
    from gnomon.cli.texts.up_screen import Screen  # noqa: PLC0415
    from gnomon.up.run import Up  # noqa: PLC0415

    cancel_on_signals(say)
    up = Up(stack, ports=ports, secure=secure, dashboard=dashboard_is_there(), began_s=began_s)
    with Screen() as show, suppress(asyncio.CancelledError):
        await up.run(show)


def _warm_up(settings: Settings) -> None:
    """Import what trains, and create the registry, while the broker and the workers start."""
    from gnomon.operations.models.training import warm_up  # noqa: PLC0415

    warm_up(settings)


class _Screen:
    """Shows a live screen on a terminal, else a plain line every five seconds."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live  # noqa: PLC0415

        console = Console()
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._next_s = 0.0

    def __enter__(self) -> "Show":
        if self._live is not None:
            self._live.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _show(self, state: "PipelineState", left_s: float, step: str) -> None:
        from gnomon.demo.view import line, live  # noqa: PLC0415

        if self._live is not None:
            self._live.update(live(state, left_s=left_s, step=step))
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + 5.0
            print(line(state, left_s=left_s, step=step), flush=True)


def _verdict(state: "PipelineState", *, stored: int, settings: Settings, data_dir: str) -> None:
    from gnomon.comparison.metrics.achieved import table  # noqa: PLC0415
    from gnomon.demo.view import ledger_line, verdict  # noqa: PLC0415
    from gnomon.operations.isolation_report import ImpactSummary  # noqa: PLC0415

    print()
    print(table(state.models))
    print(ledger_line(state.ledger))
    print(f"{stored} decisions, each sealed, in {settings.store_url}")
    print(verdict(state.models))
    print("\n".join(ImpactSummary.of(data_dir).lines))
    print()
    print(f"written: {settings.data_dir} (store.db, mlflow.db, key, logs)")
    print(f"to look at it: GNOMON_DATA_DIR={settings.data_dir} gnomon vault list --limit 3")
    print(f"to go on with it: GNOMON_DATA_DIR={settings.data_dir} gnomon up")
