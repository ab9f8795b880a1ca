"""``gnomon learn``: train again whenever there are enough new decisions, until stopped."""

import argparse
import contextlib
import os
import signal
import socket
import threading
import uuid
from typing import TYPE_CHECKING

from gnomon.cli.judging.train import add_training_arguments, positive, training_options
from gnomon.cli.texts.progress import progress
from gnomon.errors import TransientError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.operations.models.learning import LearnLoop, Learnt
    from gnomon.operations.models.training import Trainer

LOOK_EVERY_S = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Trains a version from the vault's decisions whenever there are enough new ones, or when the"
        " losses of a live version have risen; registers it, and makes it the challenger if it does at least as well as the current challenger did"
        " on the same tasks. Never moves the champion. Several may run; only one trains at a time."
    )
    parser.add_argument(
        "--every-decisions", type=int, default=200, metavar="N", help="new decisions (200)"
    )
    parser.add_argument(
        "--every-hours",
        type=float,
        default=24.0,
        metavar="M",
        help="or hours, if any decision is new (24)",
    )
    parser.add_argument(
        "--min-decisions",
        type=int,
        default=100,
        metavar="N",
        help="wait for this many with an outcome (100)",
    )
    parser.add_argument(
        "--most-read",
        type=positive,
        default=100_000,
        metavar="N",
        help="choose them from the newest N decisions; bounds the time (100000)",
    )
    add_training_arguments(parser, analysis=False)
    parser.add_argument("--once", action="store_true", help="look once, train if it is time, end")
    parser.epilog = "example: gnomon learn --every-decisions 500"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Check every ten seconds until SIGTERM or Ctrl-C; then return 0.

    Raises:
        ConfigurationError: There is no key, or it does not open the store.
        TransientError: With ``--once``: store, registry or broker do not answer.
    """
    stopped = threading.Event()
    if not options.once:
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        _announce(options)
        try:
            there_are_enough = _await_decisions(options, settings, stopped)
        except KeyboardInterrupt:
            return 0
        if not there_are_enough:
            return 0
    from gnomon.operations.models.intent_log import author, now_ms  # noqa: PLC0415
    from gnomon.operations.models.learning import LearnLoop, Schedule  # noqa: PLC0415
    from gnomon.operations.models.training import Trainer  # noqa: PLC0415  only in gnomon[train]

    trainer = Trainer(
        settings, author=author(), options=training_options(options, most_read=options.most_read)
    )
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    loop = LearnLoop(
        trainer,
        trainer.store.lease("learn", owner=owner),
        schedule=Schedule(
            every_decisions=options.every_decisions,
            every_hours=options.every_hours,
            min_decisions=options.min_decisions,
        ),
        now_ms=now_ms,
    )
    try:
        if options.once:
            _show(_step(loop, trainer))
        else:
            _run_until_stopped(loop, trainer, stopped)
    finally:
        trainer.close()
    return 0


def _announce(options: argparse.Namespace) -> None:
    print(
        f"learning with {options.learner}: after every {options.every_decisions} new decisions, or"
        f" {options.every_hours:g} h; looking every {LOOK_EVERY_S:.0f} s, Ctrl-C ends it",
        flush=True,
    )


def _await_decisions(
    options: argparse.Namespace, settings: Settings, stopped: threading.Event
) -> bool:
    """Wait for enough decisions before what trains is imported, which takes seconds and 300 MB.

    Returns:
        Whether there are enough; else it was stopped.
    """
    from gnomon.store import DecisionStore  # noqa: PLC0415  only in gnomon[workers]
    from gnomon.vault import load_key  # noqa: PLC0415  only in gnomon[workers]

    load_key(settings)
    store = DecisionStore(settings.store_url)
    try:
        while not stopped.is_set():
            try:
                if store.exists() and store.count() >= options.min_decisions:
                    return True
            except TransientError as error:
                print(f"gnomon learn: {error}; trying again", flush=True)
            stopped.wait(LOOK_EVERY_S)
    finally:
        store.close()
    return False


def _run_until_stopped(loop: "LearnLoop", trainer: "Trainer", stopped: threading.Event) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while not stopped.is_set():
            try:
                if (learnt := _step(loop, trainer)) is not None:
                    _show(learnt)
            except TransientError as error:
                print(f"gnomon learn: {error}; trying again", flush=True)
            stopped.wait(LOOK_EVERY_S)


def _step(loop: "LearnLoop", trainer: "Trainer") -> "Learnt | None":
    with progress() as trainer.on_progress:
        return loop.step()


def _show(learnt: "Learnt | None") -> None:
    if learnt is None:
        print("nothing to learn yet", flush=True)
        return
    became = "is the challenger" if learnt.is_challenger else "is registered, not better than the"
    became += "" if learnt.is_challenger else " challenger"
    line = (
        f"version {learnt.version} {became}: trained on {learnt.decisions} decisions"
        f" ({learnt.reason})"
    )
    found = learnt.selection
    if found is not None and found.duration_loss is not None:
        line += (
            f"; on {found.n} tasks log error {found.duration_loss:.3f} beside"
            f" {found.current_duration_loss:.3f}, Brier {found.brier:.3f} beside"
            f" {found.current_brier:.3f}"
        )
    print(line, flush=True)
