"""Parses the command line and runs one command."""

import argparse
import importlib
import os
import select
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from gnomon import __version__
from gnomon.cli.core_dumps import forbid_core_dumps
from gnomon.errors import ConfigurationError, GnomonError, MissingExtraError
from gnomon.settings import Settings

COMMANDS = (
    ("up", "run all of gnomon on this machine for your own agents", "all", "running.up"),
    ("broker", "run Apache Kafka on this machine", "broker", "running.broker"),
    ("topics", "create, list or check the topics", "workers", "looking.topics"),
    ("worker", "run stages until stopped", "workers", "running.worker"),
    (
        "gateway",
        "accept task events and OpenTelemetry traces over HTTP",
        "gateway",
        "running.gateway",
    ),
    (
        "train",
        "fit and register a model version from the vault's decisions",
        "train",
        "judging.train",
    ),
    (
        "learn",
        "train again whenever enough decisions are new, until stopped",
        "train",
        "judging.learn",
    ),
    ("models", "list, promote or roll back model versions", "train", "judging.models"),
    (
        "baseline",
        "keep the metrics of a first period, and compare later ones with them",
        "workers",
        "judging.baseline",
    ),
    (
        "verdict",
        "judge from recorded comparisons whether a model may steer agents",
        "workers",
        "judging.verdict",
    ),
    ("keys", "make the key that seals decisions", "workers", "keeping.keys"),
    ("vault", "read sealed decisions", "workers", "keeping.vault"),
    (
        "explain",
        "tell one decision: what was known, what was predicted and why, what came",
        "all",
        "looking.explain",
    ),
    (
        "replay",
        "publish recorded runs through the whole pipeline and report",
        "all",
        "running.replay",
    ),
    (
        "demo",
        "run all of gnomon on this machine, with agents that do real work",
        "all",
        "running.demo",
    ),
    (
        "drill",
        "hold drills: isolation, rollback, alert, dashboards, security, restore",
        "all",
        "judging.drill",
    ),
    ("tail", "print the records of a topic, decoded", "workers", "looking.tail"),
    (
        "dead-letters",
        "list, show or send back records that no stage could process",
        "workers",
        "looking.dead_letters",
    ),
    ("status", "show stages, lag, live models, ledger and clients", "workers", "looking.status"),
    (
        "dashboard",
        "serve pages with verdicts, models, agents and operation",
        "dashboard",
        "looking.dashboard",
    ),
    (
        "exporter",
        "serve the figures of the whole installation to Prometheus",
        "workers",
        "looking.exporter",
    ),
    (
        "doctor",
        "look at an installation, and say what to do about each finding",
        "workers",
        "looking.doctor",
    ),
    (
        "completion",
        "let bash, zsh or fish complete commands and options",
        "workers",
        "looking.completion",
    ),
    ("config", "show or check the settings", "workers", "looking.config"),
    ("schemas", "export the JSON Schemas and the AsyncAPI document", "workers", "schemas"),
)
"""Name of each command, its description, the extra that installs its packages, and its module."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success, 1 on failure, 2 on wrong use or configuration, and as a shell reports signals:
        130 after Ctrl-C, 141 if the reader of the output has gone.
    """
    forbid_core_dumps()
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argument_parser(lambda name: name == _command(argv, after=("--config",)))
    extras = {name: extra for name, _, extra, _ in COMMANDS}
    modules = {name: module for name, _, _, module in COMMANDS}
    options = parser.parse_args(argv)
    options.config = options.config or os.environ.get("GNOMON_CONFIG")
    try:
        settings = _settings(options)
        return _run(modules[options.command], options, settings)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "gnomon":
            raise  # this is a bug in gnomon, not a missing extra
        missing = MissingExtraError(
            f"gnomon {options.command}", module=error.name, extra=extras[options.command]
        )
        print(f"gnomon: {missing}", file=sys.stderr)
        return 2
    except ConfigurationError as error:
        print(f"gnomon: {error}", file=sys.stderr)
        return 2
    except GnomonError as error:
        print(f"gnomon: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        if _has_reader():
            raise  # it was another pipe or connection
        return 141
    except KeyboardInterrupt:
        return 130


def argument_parser(is_wanted: Callable[[str], bool]) -> argparse.ArgumentParser:
    """Return the parser of all commands; those that are not wanted have no arguments yet.

    A command's module is imported for its arguments, so that a command costs no other one's imports.
    """
    parser = argparse.ArgumentParser(
        prog="gnomon",
        description="Learn about AI agents in the shadow of production.",
        epilog="example: gnomon replay examples/agent_runs.csv",
    )
    parser.add_argument("--version", action="version", version=f"gnomon {__version__}")
    parser.add_argument(
        "--config", metavar="FILE", help="file of settings, in TOML (GNOMON_CONFIG)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about, _, module in COMMANDS:
        command = commands.add_parser(
            name, help=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if is_wanted(name):
            _import(module).configure(command)
    return parser


def _run(module: str, options: argparse.Namespace, settings: Settings) -> int:
    status = int(_import(module).run(options, settings))
    sys.stdout.flush()  # an error at exit could not be caught
    return status


def _has_reader() -> bool:
    """Return whether somebody reads the output; if not, drop what is left of it."""
    output = select.poll()
    output.register(sys.stdout.fileno(), select.POLLOUT)
    if any(event & select.POLLERR for _, event in output.poll(0)):
        # Python flushes at exit, which must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _command(argv: Sequence[str], *, after: Sequence[str]) -> str | None:
    """Return the first word that is neither an option nor the value of an option of ``after``."""
    pairs = zip(["", *argv], argv, strict=False)
    words = (word for before, word in pairs if before not in after and not word.startswith("-"))
    return next(words, None)


def _settings(options: argparse.Namespace) -> Settings:
    """Read the settings, but for ``gnomon config``, which says of each what is wrong with it."""
    if options.command == "config":
        return Settings()
    return Settings.load(os.environ, Path(options.config) if options.config else None)


def _import(module: str) -> ModuleType:
    """Import the module of a command: ``configure(parser)`` and ``run(options, settings) -> int``."""
    return importlib.import_module(f"gnomon.cli.{module}")
