"""Parses the command line and runs one command."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from gnomon.errors import ConfigurationError, GnomonError, MissingExtraError
from gnomon.settings import Settings

COMMANDS = (
    ("broker", "run Apache Kafka on this machine", "broker"),
    ("topics", "create, list or check the topics", "workers"),
    ("worker", "run stages until stopped", "workers"),
    ("gateway", "accept task events and OpenTelemetry traces over HTTP", "gateway"),
    ("train", "fit and register a model version from the vault's decisions", "train"),
    ("learn", "train again whenever enough decisions are new, until stopped", "train"),
    ("models", "list, promote or roll back model versions", "train"),
    ("baseline", "keep the metrics of a first period, and compare later ones with them", "workers"),
    ("verdict", "judge from recorded comparisons whether a model may steer agents", "workers"),
    ("keys", "make the key that seals decisions", "workers"),
    ("vault", "read sealed decisions", "workers"),
    ("explain", "tell one decision: what was known, what was predicted and why, what came", "all"),
    ("replay", "publish recorded runs through the whole pipeline and report", "all"),
    ("demo", "run all of gnomon on this machine, with agents that do real work", "all"),
    ("drill", "measure the client's cost to a service, or the time of a rollback", "all"),
    ("tail", "print the records of a topic, decoded", "workers"),
    ("dead-letters", "list, show or send back records that no stage could process", "workers"),
    ("status", "show stages, lag, live models, ledger and clients", "workers"),
    ("schemas", "export the JSON Schemas and the AsyncAPI document", "workers"),
)
"""Name of each command, its description, and the extra that installs its packages."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 on success, 1 on failure, 2 on wrong use or configuration."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog="gnomon",
        description="Learn about AI agents in the shadow of production.",
        epilog="example: gnomon replay examples/agent_runs.csv",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    extras = {}
    for name, about, extra in COMMANDS:
        extras[name] = extra
        command = commands.add_parser(
            name, help=about, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            _module(name).configure(command)
    options = parser.parse_args(argv)
    try:
        settings = Settings.from_env(os.environ)
        return int(_module(options.command).run(options, settings))
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
    except KeyboardInterrupt:
        return 130


def _module(command: str) -> ModuleType:
    """Import the module of a command: ``configure(parser)`` and ``run(options, settings) -> int``."""
    return importlib.import_module(f"gnomon.cli.{command.replace('-', '_')}")
