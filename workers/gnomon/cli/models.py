"""``gnomon models``: which versions there are, which are live, and who moves them."""

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gnomon.errors import BrokerUnavailableError, ConfigurationError
from gnomon.events import ModelIntent
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.models.registry import Registry, VersionInfo


def configure(parser: argparse.ArgumentParser) -> None:
    """Set up ``gnomon models list``, ``promote`` and ``rollback``."""
    parser.epilog = (
        "examples:\n"
        "  gnomon models list\n"
        "  gnomon models promote 7\n"
        "  gnomon models promote 8 --alias challenger-b\n"
        "  gnomon models rollback"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every version, newest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    promoting = actions.add_parser("promote", help="make a version champion, or give it an alias")
    promoting.add_argument("version", metavar="VERSION", help="as `list` shows it")
    promoting.add_argument(
        "--alias",
        type=live_alias,
        default="champion",
        help="champion, challenger or challenger-NAME (champion)",
    )
    back = actions.add_parser("rollback", help="make the previous champion champion again")
    for moving in (promoting, back):
        moving.add_argument(
            "--offline",
            action="store_true",
            help="move the alias without telling the control topic; workers find it by polling",
        )
        moving.add_argument("--json", action="store_true", help="print one JSON object")


def live_alias(text: str) -> str:
    """An alias whose version predicts.

    Raises:
        ArgumentTypeError: No worker would look at it.
    """
    if not re.fullmatch(r"champion|challenger(-[A-Za-z0-9_]{1,100})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not champion, challenger or challenger-NAME")
    return text


def run(options: argparse.Namespace, settings: Settings) -> int:
    """List, or move an alias: the intent is written first, then the registry is told.

    Raises:
        BrokerUnavailableError: The intent cannot be written; nothing was moved.
        RegistryUnavailableError: The registry does not answer; a repeat is safe.
        ModelRefusedError: The version may not be used.
        ConfigurationError: There is nothing to roll back to.
    """
    from gnomon.models.registry import Registry  # noqa: PLC0415  only in gnomon[train], and slow

    registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
    if options.action == "list":
        return _list(registry, as_json=options.json)
    if options.action == "promote":
        return _promote(registry, options, settings)
    return _rollback(registry, options, settings)


def _list(registry: "Registry", *, as_json: bool) -> int:
    versions = registry.versions()
    if as_json:
        for version in versions:
            print(msgspec.json.encode(version).decode())
        return 0
    if not versions:
        print(f"gnomon: {registry.name} has no versions; gnomon train makes one", file=sys.stderr)
        return 0
    print(f"{'VERSION':>7}  {'TRAINED':<16}  {'ERROR':>9}  {'CONTROL':>9}  {'RIGHT':>6}  ALIASES")
    for version in versions:
        print(_line(version))
    return 0


def _line(version: "VersionInfo") -> str:
    trained = datetime.fromtimestamp(version.created_at_ms / 1000, UTC)
    metrics = version.metrics
    error_s, control_s = (_figure(metrics.get(n), "{:,.1f} s") for n in ("mae_s", "control_mae_s"))
    right = _figure(metrics.get("accuracy"), "{:.1%}")
    return (
        f"{version.version:>7}  {trained:%Y-%m-%d %H:%M}  {error_s:>9}  {control_s:>9}"
        f"  {right:>6}  {', '.join(version.aliases)}"
    ).rstrip()


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _promote(registry: "Registry", options: argparse.Namespace, settings: Settings) -> int:
    registry.load(options.version)  # before anybody is told of a version that may not be used
    told = _tell(settings, options, alias=options.alias, version=options.version)
    before = registry.promote(options.version, alias=options.alias)
    return _moved(options, alias=options.alias, version=options.version, before=before, told=told)


def _rollback(registry: "Registry", options: argparse.Namespace, settings: Settings) -> int:
    aliases = registry.aliases()
    version = aliases.get("previous")
    if version is None:
        raise ConfigurationError(f"{registry.name} has no previous champion to roll back to")
    told = _tell(settings, options, alias="champion", version=version)
    version = registry.rollback()
    before = aliases.get("champion")
    return _moved(options, alias="champion", version=version, before=before, told=told)


def _tell(settings: Settings, options: argparse.Namespace, *, alias: str, version: str) -> bool:
    """Write the intent, unless this is offline; whether it was written."""
    if options.offline:
        return False
    from gnomon.cli import intents  # noqa: PLC0415

    intent = ModelIntent(
        model=settings.model_name,
        alias=alias,
        version=version,
        at_ms=intents.now_ms(),
        author=intents.author(),
        action=options.action,
    )
    try:
        intents.publish(intent, settings)
    except BrokerUnavailableError as error:
        raise BrokerUnavailableError(
            f"nothing was moved: {error}. With --offline the alias alone is moved"
        ) from error
    return True


def _moved(
    options: argparse.Namespace, *, alias: str, version: str, before: str | None, told: bool
) -> int:
    if options.json:
        print(json.dumps({"alias": alias, "version": version, "before": before, "told": told}))
        return 0
    came = f" (was {before})" if before is not None else ""
    how = "" if told else "; the control topic was not told"
    print(f"{alias} is version {version}{came}{how}")
    return 0
