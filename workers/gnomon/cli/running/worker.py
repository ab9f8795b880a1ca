"""``gnomon worker``: run stages until they are stopped."""

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gnomon.settings import Settings
from gnomon.stages import OPTIONAL_STAGES, STAGES

if TYPE_CHECKING:
    from gnomon.runtime.process.parent import ParentMonitor

logger = logging.getLogger(__name__)

MAX_PORT = 65_535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "stages",
        nargs="*",
        metavar="STAGE",
        help=f"{', '.join(STAGES)}; default: all of these. {OPTIONAL_STAGES[0]}, which reads the"
        " topic of an OpenTelemetry Collector, runs only if it is named",
    )
    parser.add_argument(
        "--host",
        metavar="H",
        help="address on which they serve /metrics, /livez, /readyz and /status"
        " (GNOMON_LISTEN_HOST; 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        metavar="P",
        help="port of these; further stages use the next ports; 0 means a free port each"
        " (GNOMON_LISTEN_PORT; 9100)",
    )
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="stop when the process that started this one has ended",
    )
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    parser.epilog = (
        "examples:\n"
        "  gnomon worker                        # all four, one process each\n"
        "  gnomon worker features --port 9101   # one stage in this process"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run one stage in this process, or several as child processes of a supervisor."""
    signal.signal(signal.SIGTERM, _end_at_once)  # until an event loop takes it over
    stages: Sequence[str] = options.stages or STAGES
    known = (*STAGES, *OPTIONAL_STAGES)
    unknown = [stage for stage in stages if stage not in known]
    if unknown:
        print(
            f"gnomon worker: unknown stage {unknown[0]!r}; stages are {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    host = settings.listen_host if options.host is None else options.host
    port = settings.listen_port if options.port is None else options.port
    if port + len(stages) - 1 > MAX_PORT:
        print(
            f"gnomon worker: {len(stages)} ports from {port} on exceed {MAX_PORT}",
            file=sys.stderr,
        )
        return 2
    settings = dataclasses.replace(settings, listen_host=host, listen_port=port)
    parent = _parent(options)  # before the slow imports
    if len(stages) == 1:
        return asyncio.run(_run_one(stages[0], options, settings, parent))
    return asyncio.run(_run_several(stages, settings, parent))


def _parent(options: argparse.Namespace) -> "ParentMonitor | None":
    from gnomon.runtime.process.parent import (  # noqa: PLC0415
        ParentMonitor,
        await_adoption,
    )

    if options.supervised:
        return ParentMonitor()
    return ParentMonitor(await_adoption) if options.with_parent else None


def _end_at_once(_number: int, _frame: object) -> None:
    """End with success: nothing has started yet that needs an orderly end."""
    os._exit(0)


async def _run_one(
    name: str, options: argparse.Namespace, settings: Settings, parent: "ParentMonitor | None"
) -> int:
    from gnomon import __version__  # noqa: PLC0415
    from gnomon.runtime.metrics import Metrics  # noqa: PLC0415
    from gnomon.runtime.process.process import run_stage  # noqa: PLC0415
    from gnomon.runtime.process.sentry import init_sentry  # noqa: PLC0415
    from gnomon.stages.build import build_stage  # noqa: PLC0415

    _configure_logging(settings, warn=not options.supervised)
    init_sentry(settings.sentry_dsn, stage=name, release=__version__)
    metrics = Metrics()
    metrics.describe_process(stage=name, version=__version__, settings=settings.digest())
    stage = build_stage(name, settings, metrics)
    return await run_stage(
        stage,
        settings=settings,
        metrics=metrics,
        host=settings.listen_host,
        port=settings.listen_port,
        supervised=options.supervised,
        parent=parent,
    )


async def _run_several(
    stages: Sequence[str], settings: Settings, parent: "ParentMonitor | None"
) -> int:
    from gnomon.runtime.process.supervisor import Supervisor  # noqa: PLC0415

    _configure_logging(settings, warn=True)
    commands = worker_commands(stages, first_port=settings.listen_port)
    supervisor = Supervisor(
        commands,
        environ=settings.environ_of_child(os.environ),
        on_line=lambda name, line: print(
            _labelled(name, line, log_format=settings.log_format), flush=True
        ),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    if parent is not None:
        parent.on_end(lambda: loop.call_soon_threadsafe(supervisor.stop))
    return await supervisor.run()


def _configure_logging(settings: Settings, *, warn: bool) -> None:
    """Set up log lines; if ``warn``, warn of variables that nothing reads."""
    from gnomon.settings.settings import DECLARED  # noqa: PLC0415
    from gnomon.settings.sources import problems_of_variables  # noqa: PLC0415
    from gnomon.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(level=settings.log_level, log_format=settings.log_format)
    for problem in problems_of_variables(DECLARED, os.environ) if warn else ():
        logger.warning("settings.unknown", extra={"reason": problem})


def _labelled(name: str, line: str, *, log_format: str) -> str:
    """Add the child's name to a line of its output; a JSON line remains one JSON object."""
    if log_format != "json":
        return f"{name:<10} | {line}"
    try:
        parsed = json.loads(line)
    except ValueError:  # output of a library, or a traceback
        parsed = line
    fields = parsed if isinstance(parsed, dict) else {"level": "warning", "event": line}
    return json.dumps({**fields, "child": name})


def worker_commands(stages: Sequence[str], *, first_port: int) -> dict[str, list[str]]:
    """Return the command-line arguments of each stage's process, by stage."""
    return {
        stage: [
            "-m",
            "gnomon",
            "worker",
            stage,
            "--supervised",
            "--port",
            str(first_port + index if first_port else 0),
        ]
        for index, stage in enumerate(stages)
    }


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"expected a port up to {MAX_PORT}, got {text!r}")
    return port
