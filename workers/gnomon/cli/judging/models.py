"""``gnomon models``: lists versions, and moves the aliases that make them live."""

import argparse
import asyncio
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from gnomon.errors import BrokerUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gnomon.models.registry import Registry, VersionInfo
    from gnomon.models.registry.reading import RegistryReader
    from gnomon.operations.models.model_states import VersionState
    from gnomon.operations.models.switching import ModelSwitch, Moved


def configure(parser: argparse.ArgumentParser) -> None:
    """Set up ``gnomon models list``, ``promote``, ``rollback`` and ``sync``."""
    parser.epilog = (
        "examples:\n"
        "  gnomon models list\n"
        "  gnomon models promote 7\n"
        "  gnomon models promote 8 --alias challenger-b\n"
        "  gnomon models rollback\n"
        "  gnomon models sync"
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
    syncing = actions.add_parser(
        "sync", help="set the registry's aliases to what the intents state"
    )
    syncing.set_defaults(offline=False)
    syncing.add_argument("--json", action="store_true", help="one JSON object a line")
    for moving in (promoting, back):
        moving.add_argument(
            "--offline",
            action="store_true",
            help="move the registry's alias alone; workers follow it only where the control topic"
            " has no intent for the alias",
        )
        moving.add_argument("--json", action="store_true", help="print one JSON object")


def live_alias(text: str) -> str:
    """Parse an alias whose version predicts.

    Raises:
        ArgumentTypeError: Workers ignore such an alias.
    """
    if not re.fullmatch(r"champion|challenger(-[A-Za-z0-9_]{1,100})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not champion, challenger or challenger-NAME")
    return text


def run(options: argparse.Namespace, settings: Settings) -> int:
    """List versions, or move an alias: write the intent first, then update the registry.

    Raises:
        BrokerUnavailableError: The intent cannot be written; nothing was moved.
        RegistryUnavailableError: The registry does not answer; a repeat is safe.
        ModelRefusedError: The version may not be used.
        ConfigurationError: There is nothing to roll back to.
    """
    if options.action == "list":
        from gnomon.models.registry.reading import open_reader  # noqa: PLC0415

        reader = open_reader(uri=settings.mlflow_uri, model_name=settings.model_name)
        return _list(reader, settings, as_json=options.json)
    from gnomon.models.registry import Registry  # noqa: PLC0415  only in gnomon[train], and slow

    registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
    if options.action == "sync":
        return _sync(registry, options, settings)
    return _move(registry, options, settings)


def _list(registry: "RegistryReader", settings: Settings, *, as_json: bool) -> int:
    from gnomon.models.intents import is_live  # noqa: PLC0415
    from gnomon.operations.models.feature_drift import read_drift, sentence  # noqa: PLC0415
    from gnomon.operations.models.verdicts import beside_strongest  # noqa: PLC0415

    versions = registry.versions()
    words = _words(settings) if versions else {}
    partitions, states = _states(settings) if versions else (0, [])
    states = [state for state in states if state.model == registry.name]
    live = [version.version for version in versions if any(map(is_live, version.aliases))]
    drifts = read_drift(registry, live, kafka=settings.kafka, prefix=settings.topic_prefix)
    if as_json:
        for version in versions:
            known = {
                "states": [state for state in states if state.version == version.version],
                "verdict": words.get(version.version),
                "drift": drifts.get(version.version),
            }
            print(msgspec.json.encode(msgspec.to_builtins(version) | known).decode())
        return 0
    if not versions:
        print(f"gnomon: {registry.name} has no versions; gnomon train makes one", file=sys.stderr)
        return 0
    print(
        f"{'VERSION':>7}  {'TRAINED':<16}  {'ERROR':>9}  {'CONTROL':>9}  {'RIGHT':>6}  {'VERDICT':<9}  ALIASES"
    )
    for version in versions:
        print(_line(version, words.get(version.version)))
    for state in states:
        print(f"version {state.version} {state.sentence(partitions)}")
    for number, verdict in words.items():
        if verdict["blocked_by"]:
            beside, blocked = beside_strongest(verdict), ", ".join(verdict["blocked_by"])
            told = ", ".join(each for each in (verdict["word"], beside) if each)
            print(f"version {number}: {told}, blocked by {blocked}")
    for number, drift in drifts.items():
        print(f"version {number}: {sentence(drift)}")
    return 0


def _words(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the live verdict on each version; nothing if no broker answers at once."""
    from gnomon.operations.models.verdicts import (  # noqa: PLC0415
        live_verdicts,
        read_evidence,
        summary_of,
    )
    from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415

    try:
        found = asyncio.run(
            read_evidence(kafka=settings.kafka, prefix=settings.topic_prefix, within_s=0.0)
        )
    except BrokerUnavailableError:
        return {}
    if not found:
        return {}
    drills = read_drills((), settings.data_dir)
    judged = live_verdicts(found[0], drills=drills, now_ms=time.time_ns() // 1_000_000)
    return {
        model.version: summary_of(model)
        for model in judged.models
        if model.name == settings.model_name
    }


def _states(settings: Settings) -> "tuple[int, list[VersionState]]":
    """Return the number of partitions with a shadow worker, and what each version does in them."""
    from gnomon.operations.models.model_states import read_switches, states_of  # noqa: PLC0415

    try:
        switches = asyncio.run(read_switches(kafka=settings.kafka, prefix=settings.topic_prefix))
    except BrokerUnavailableError:
        print(
            f"gnomon: {settings.brokers} does not answer, so it is not known which versions predict",
            file=sys.stderr,
        )
        return 0, []
    return len(switches), states_of(switches)


def _line(version: "VersionInfo", verdict: "Mapping[str, Any] | None") -> str:
    trained = datetime.fromtimestamp(version.created_at_ms / 1000, UTC)
    metrics = version.metrics
    error_s, control_s = (_figure(metrics.get(n), "{:,.1f} s") for n in ("mae_s", "control_mae_s"))
    right = _figure(metrics.get("accuracy"), "{:.1%}")
    return (
        f"{version.version:>7}  {trained:%Y-%m-%d %H:%M}  {error_s:>9}  {control_s:>9}"
        f"  {right:>6}  {verdict['word'] if verdict else '-':<9}  {', '.join(version.aliases)}"
    ).rstrip()


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _switch(registry: "Registry", options: argparse.Namespace, settings: Settings) -> "ModelSwitch":
    from gnomon.operations.models.intent_log import ControlTopic, author, now_ms  # noqa: PLC0415
    from gnomon.operations.models.switching import ModelSwitch  # noqa: PLC0415

    log = None if options.offline else ControlTopic(settings)
    return ModelSwitch(registry, log, author=author(), now_ms=now_ms)


def _move(registry: "Registry", options: argparse.Namespace, settings: Settings) -> int:
    switch = _switch(registry, options, settings)
    try:
        if options.action == "promote":
            moved = switch.promote(options.version, alias=options.alias)
        else:
            moved = switch.rollback()
    except BrokerUnavailableError as error:
        raise BrokerUnavailableError(
            f"nothing was moved: {error}. With --offline the alias alone is moved"
        ) from error
    _show(moved, as_json=options.json)
    return 0


def _sync(registry: "Registry", options: argparse.Namespace, settings: Settings) -> int:
    moved = _switch(registry, options, settings).sync()
    for each in moved:
        _show(each, as_json=options.json)
    if not moved and not options.json:
        print("the registry's aliases are what the intents say")
    return 0


def _show(moved: "Moved", *, as_json: bool) -> None:
    if as_json:
        shown = {"alias": moved.alias, "version": moved.version, "before": moved.before}
        print(msgspec.json.encode(shown | {"told": moved.intent_written}).decode())
        return
    came = f" (was {moved.before})" if moved.before is not None else ""
    how = "" if moved.intent_written else "; the control topic was not told"
    print(f"{moved.alias} is version {moved.version}{came}{how}")
