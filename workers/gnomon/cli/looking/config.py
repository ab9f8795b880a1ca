"""``gnomon config``: shows which settings are in force and where each came from, and checks them."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gnomon.errors import ConfigurationError
from gnomon.settings import Settings
from gnomon.settings.settings import DECLARED
from gnomon.settings.sources import (
    Given,
    given,
    parsed,
    problems_of_file,
    problems_of_variables,
)
from gnomon.settings.table import markdown
from gnomon.topics import retention_by_topic


def configure(parser: argparse.ArgumentParser) -> None:
    """Set up ``gnomon config show``, ``check`` and ``table``."""
    parser.epilog = (
        "examples:\n"
        "  gnomon config show\n"
        "  gnomon --config gnomon.toml config check\n"
        "  gnomon config table > docs/settings.md"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    showing = actions.add_parser(
        "show", help="every setting, its value and its origin; secrets are masked"
    )
    showing.add_argument("--json", action="store_true", help="print one JSON object")
    actions.add_parser("check", help="tell every unknown name and invalid value")
    actions.add_parser("table", help="every setting and variable, as Markdown")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the settings of this environment and of the file that ``options`` name.

    Raises:
        ConfigurationError: The file cannot be read, or (``show``) a setting is wrong.
    """
    file = Path(options.config) if options.config else None
    if options.action == "table":
        print(markdown(DECLARED), end="")
        return 0
    if options.action == "check":
        return _check(file)
    return _show(file, as_json=options.json)


def _check(file: Path | None) -> int:
    problems = problems_of_variables(DECLARED, os.environ)
    written = parsed(file) if file is not None else {}
    if file is not None:
        problems += problems_of_file(DECLARED, file, written)
    known = {name: value for name, value in written.items() if name in DECLARED}
    found = given(DECLARED, environ=os.environ, file=file, written=known)
    problems += _invalid(found)
    for problem in problems:
        print(f"gnomon: {problem}", file=sys.stderr)
    if problems:
        return 2
    print(f"{len(found.values)} settings are given, and all are valid")
    return 0


def _invalid(found: Given) -> list[str]:
    """Return a sentence for each value that is refused, looked at alone, or with those it has to fit."""
    of_kafka = {name: value for name, value in found.values.items() if name.startswith("kafka_")}
    alone = [{name: value} for name, value in found.values.items() if name not in of_kafka]
    problems = []
    for values in (*alone, of_kafka):
        try:
            settings = Settings.of(Given(values, found.origins))
            for name in values.keys() & _READ_LATER.keys():
                _READ_LATER[name](settings)
        except ConfigurationError as error:
            problems.append(str(error))
    return problems


def _try_store(settings: Settings) -> None:
    from gnomon.store.database import Database  # noqa: PLC0415  heavy

    Database(settings.store_url)


def _try_registry(settings: Settings) -> None:
    from gnomon.models.registry.versions import checked_uri  # noqa: PLC0415  heavy

    checked_uri(settings.mlflow_uri)


_READ_LATER: Final[Mapping[str, Callable[[Settings], object]]] = {
    "topic_retention": lambda settings: retention_by_topic(settings.topic_retention),
    "store_url": _try_store,
    "mlflow_uri": _try_registry,
}
"""Values whose form only the command or stage checks that uses them."""


def _show(file: Path | None, *, as_json: bool) -> int:
    settings = Settings.load(os.environ, file)
    written = {} if file is None else parsed(file)
    origins = given(DECLARED, environ=os.environ, file=file, written=written).origins
    values = settings.shown()
    if as_json:
        rows = {
            name: {"value": value, "origin": origins.get(name, "default")}
            for name, value in values.items()
        }
        print(json.dumps({"settings": rows, "hash": settings.digest()}))
        return 0
    width = max(map(len, values))
    for name, value in values.items():
        shown = value if value != "" else "-"
        print(f"{name:<{width}}  {shown}  ({origins.get(name, 'default')})")
    print(f"hash {settings.digest()}")
    return 0
