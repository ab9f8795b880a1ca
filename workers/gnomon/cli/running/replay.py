"""``gnomon replay``: publish recorded runs through the whole pipeline, or score them with a version."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.cli.texts import replay_input
from gnomon.cli.texts.progress import progress
from gnomon.cli.texts.replay_scores import named_version, run_scores
from gnomon.cli.texts.saying import say
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.long_work import ProgressCallback
    from gnomon.operations.isolation_report import ProductionImpact
    from gnomon.replay.report import Report
    from gnomon.replay.run import Progress
    from gnomon.replay.source import Run


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="recorded runs, one per row: CSV, JSON lines or a JSON array (.jsonl, .json), or Parquet",
    )
    parser.add_argument(
        "--model",
        type=named_version,
        action="append",
        metavar="NAME@VERSION",
        help="publish nothing; predict the runs, or without FILE the vault's decisions, with this"
        " registered version, and write replayed.jsonl to --out; may be repeated",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        metavar="S",
        help="seconds of event time per second (as fast as possible)",
    )
    parser.add_argument(
        "--train-every",
        type=_count,
        default=200,
        metavar="N",
        help="finished runs between two trainings (200); 0 for no training",
    )
    parser.add_argument(
        "--settle-every",
        type=_count,
        default=10,
        metavar="N",
        help="finished runs after which it waits until intervals know of them, as in production (10);"
        " 0 for no waiting, which is faster",
    )
    parser.add_argument(
        "--brokers", metavar="B", help="brokers to use, host:port,… (default: starts its own)"
    )
    parser.add_argument(
        "--report", type=Path, metavar="F", help="write the report to this file, as JSON"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write every topic to this folder, decoded"
    )
    replay_input.add_arguments(parser)
    parser.epilog = (
        "columns: run_id, agent_id, task_type, started_at, finished_at, success;"
        " and duration_s, estimate_s,\n  code_review_iterations, deployment_succeeded,"
        " error_type if the file has them.\n  A row with a column that is mapped to parent_id is"
        " left out: it is a step of a run.\n\n"
        "examples:\n"
        "  gnomon replay examples/agent_runs.csv --report report.json --out topics/\n"
        "  gnomon replay tasks.jsonl --preset airflow --dry-run\n"
        "  gnomon replay --model gnomon@7 --out scores/"
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Check the file, replay it, and print and write the report."""
    from gnomon.operations.isolation_report import ImpactSummary  # noqa: PLC0415
    from gnomon.replay.isolated import isolated  # noqa: PLC0415

    if options.model:
        if options.brokers or options.speed or options.dry_run:
            raise ConfigurationError(
                "gnomon replay --model publishes nothing: no --brokers, --speed, --dry-run"
            )
        return run_scores(options, settings)
    if options.file is None:
        raise ConfigurationError("gnomon replay needs FILE, or --model for the vault's decisions")
    if options.dry_run:
        return replay_input.dry_run(options, settings)
    runs = replay_input.read(options, settings).runs
    if not runs:
        print(f"gnomon replay: {options.file} has no runs", file=sys.stderr)
        return 2
    began_s = time.monotonic()
    measured = ImpactSummary.of(settings.data_dir)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    own = isolated(settings, runs, name=name, brokers=options.brokers)
    try:
        report = asyncio.run(_replay(runs, options, own, measured.impact))
    except asyncio.CancelledError:
        return 143
    _print(report, seconds=time.monotonic() - began_s)
    print("\n".join(measured.lines))
    return 0


async def _replay(
    runs: "list[Run]",
    options: argparse.Namespace,
    settings: Settings,
    impact: "ProductionImpact | None",
) -> "Report":
    from gnomon.operations.local_stack import LocalStack  # noqa: PLC0415
    from gnomon.operations.models.training import Trainer, warm_up  # noqa: PLC0415
    from gnomon.replay.plan import in_event_time_order  # noqa: PLC0415
    from gnomon.replay.report import build_report, write_topics  # noqa: PLC0415
    from gnomon.replay.run import Replay  # noqa: PLC0415
    from gnomon.stages import STAGES  # noqa: PLC0415

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    warming = asyncio.create_task(asyncio.to_thread(warm_up, settings))
    stack = LocalStack(settings, own_broker=not options.brokers, stages=STAGES, progress=say)
    try:
        async with stack:
            settings = stack.settings
            await warming
            trainer = Trainer(settings, author="replay")
            with progress() as on_progress:
                replay = Replay(
                    stack,
                    trainer=trainer,
                    train_every=options.train_every,
                    settle_every=options.settle_every,
                    speed=options.speed,
                    show=_shower(len(runs), on_progress),
                )
                began_s = time.monotonic()
                await replay.run(in_event_time_order(runs))
            seconds = time.monotonic() - began_s
            kafka, prefix = settings.kafka, settings.topic_prefix
            report = await build_report(
                kafka=kafka, prefix=prefix, tasks=len(runs), seconds=seconds, impact=impact
            )
            if options.out is not None:
                say(f"writing every topic to {options.out}")
                await write_topics(options.out, kafka=kafka, prefix=prefix)
    finally:
        if not options.brokers:
            shutil.rmtree(Path(settings.data_dir) / "broker", ignore_errors=True)
    _write(report, options)
    say(f"decisions, models and key are in {settings.data_dir}")
    return report


def _shower(runs: int, on_progress: "ProgressCallback") -> "Callable[[Progress], None]":
    """Return what shows a bar on a terminal, and lines elsewhere."""
    on_terminal = sys.stderr.isatty()

    def show(progress: "Progress") -> None:
        if on_terminal:
            on_progress(f"runs, version {progress.version}", progress.finishes, runs)
        else:
            say(
                f"{progress.finishes:>6} of {runs} runs finished  version {progress.version:<4}"
                f" {progress.step}"
            )

    return show


def _write(report: "Report", options: argparse.Namespace) -> None:
    import msgspec  # noqa: PLC0415

    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))


def _print(report: "Report", *, seconds: float) -> None:
    from gnomon.comparison.metrics.achieved import table  # noqa: PLC0415

    print(table([*report.models, report.shadow]))
    print("ledger: " + "  ".join(f"{name} {n}" for name, n in report.ledger.items()))
    print(
        f"{report.tasks} tasks in {report.seconds:.1f} s ({report.tasks_per_s:.0f}/s),"
        f" {seconds:.1f} s with start and stop"
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected a number, not negative, got {text!r}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value
