"""``gnomon worker``: run stages until they are stopped."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from gnomon.settings import Settings
from gnomon.stages import OPTIONAL_STAGES, STAGES

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
        "--port",
        type=_port,
        default=0,
        help="port of /metrics, /livez, /readyz and /status; further stages use the next ports"
        " (default: a free port each)",
    )
    parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)
    parser.epilog = (
        "examples:\n"
        "  gnomon worker                        # all four, one process each\n"
        "  gnomon worker features --port 9101   # one stage in this process"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Run one stage in this process, or several as child processes of a supervisor."""
    stages: Sequence[str] = options.stages or STAGES
    known = (*STAGES, *OPTIONAL_STAGES)
    unknown = [stage for stage in stages if stage not in known]
    if unknown:
        print(
            f"gnomon worker: unknown stage {unknown[0]!r}; stages are {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    if options.port + len(stages) - 1 > MAX_PORT:
        print(
            f"gnomon worker: {len(stages)} ports from {options.port} on exceed {MAX_PORT}",
            file=sys.stderr,
        )
        return 2
    if len(stages) == 1:
        return asyncio.run(_run_one(stages[0], options, settings))
    return asyncio.run(_run_several(stages, options, settings))


async def _run_one(name: str, options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.runtime.process.parent import ParentMonitor  # noqa: PLC0415

    parent = ParentMonitor() if options.supervised else None  # before the slow imports

    from gnomon import __version__  # noqa: PLC0415
    from gnomon.runtime.metrics import Metrics  # noqa: PLC0415
    from gnomon.runtime.process.process import run_stage  # noqa: PLC0415
    from gnomon.runtime.process.sentry import init_sentry  # noqa: PLC0415
    from gnomon.stages.build import build_stage  # noqa: PLC0415
    from gnomon.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(level=settings.log_level, log_format=settings.log_format)
    init_sentry(os.environ.get("SENTRY_DSN", ""), stage=name, release=__version__)
    metrics = Metrics()
    stage = build_stage(name, settings, metrics)
    return await run_stage(
        stage,
        settings=settings,
        metrics=metrics,
        port=options.port,
        parent=parent,
    )


async def _run_several(
    stages: Sequence[str], options: argparse.Namespace, settings: Settings
) -> int:
    from gnomon.runtime.process.supervisor import Supervisor  # noqa: PLC0415
    from gnomon.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(level=settings.log_level, log_format=settings.log_format)
    commands = worker_commands(stages, first_port=options.port)
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
    return await supervisor.run()


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
