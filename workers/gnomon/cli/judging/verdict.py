"""``gnomon verdict``: judges from recorded comparisons whether a model may steer, and verifies it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gnomon.cli.verdicts.arguments import declare
from gnomon.errors import ConfigurationError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnomon.cli.verdicts.comparisons_log import Gathered
    from gnomon.verdict import Drill, ModelVerdict, Verdicts, VerdictSettings

STATUS: Final = {"GO": 0, "CONTINUE": 3, "NO-GO": 4, "STOP-HARM": 5}
DIFFERS: Final = 1
SHOWN_IN_FULL: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    declare(parser)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Judge, show and write a verdict; or verify a written one."""
    if options.experiment is not None:
        return _experiment(options, settings)
    if options.live:
        return _live(options, settings)
    if options.verify is not None:
        return _verify(options)
    verdicts, found = _judge(
        options.comparisons,
        _settings(options.settings),
        drills=_drills(options, settings),
        now_ms=options.now,
        newest=options.newest,
        draw=options.html is not None,
    )
    if options.register is not None:
        from gnomon.cli.verdicts.live import registered  # noqa: PLC0415

        fixed = registered(verdicts)
        _write(options.register, msgspec.json.format(fixed.canonical(), indent=2) + b"\n")
        print(f"{options.register}: settings {fixed.sha256()}")
    if options.html is not None:
        _write(options.html, _page(verdicts, found, options.model).encode())
    return _concluded(verdicts, options)


def _live(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.cli.verdicts.live import drawn, live  # noqa: PLC0415

    verdicts = live(options, settings, drills=_drills(options, settings))
    if options.html is not None:
        verdicts, found = drawn(verdicts, options, settings, say=_say)
        _write(options.html, _page(verdicts, found, options.model).encode())
    return _concluded(verdicts, options)


def _concluded(verdicts: "Verdicts", options: argparse.Namespace) -> int:
    """Write and show a verdict, and return the exit status."""
    if options.json is not None:
        _write(options.json, msgspec.json.format(msgspec.json.encode(verdicts), indent=2) + b"\n")
    shown = _chosen(verdicts.models, options.model)
    _show(verdicts, shown)
    return min((STATUS[model.word] for model in shown), default=STATUS["CONTINUE"])


def _judge(
    path: Path,
    rules: "VerdictSettings",
    *,
    drills: "list[Drill]",
    now_ms: int | None,
    newest: bool,
    draw: bool = False,
) -> "tuple[Verdicts, Gathered]":
    from gnomon.cli.texts.progress import progress  # noqa: PLC0415
    from gnomon.cli.verdicts.comparisons_log import gather  # noqa: PLC0415
    from gnomon.verdict import Verdicts, judge  # noqa: PLC0415
    from gnomon.verdict.drifting import with_drift  # noqa: PLC0415
    from gnomon.verdict.typed_harm import with_types  # noqa: PLC0415

    with progress() as on_progress:
        found = gather(path, rules, newest=newest, draw=draw, say=_say, on_progress=on_progress)
    at_ms = found.watermark_ms if now_ms is None else now_ms
    models = with_types(judge(found.evidence, drills=drills, now_ms=at_ms), found.types)
    verdicts = Verdicts(
        models=with_drift(models, found.drift),
        settings_sha256=rules.sha256(),
        settings=rules,
        window=found.evidence.window,
        newest=newest,
        now_ms=at_ms,
        watermark_ms=found.watermark_ms,
        records=found.records,
        repeats=found.repeats,
        drills=drills,
    )
    return verdicts, found


def _page(verdicts: "Verdicts", found: "Gathered", wanted: str | None) -> str:
    from gnomon.verdict.report.page import page  # noqa: PLC0415
    from gnomon.verdict.report.pictures import Album  # noqa: PLC0415

    shown = _chosen(verdicts.models, wanted)
    return page(verdicts, found.album or Album(found.evidence), found.source, shown=shown)


def _experiment(options: argparse.Namespace, settings: Settings) -> int:
    from gnomon.cli.verdicts.experiment import judge_and_show  # noqa: PLC0415

    for name in ("html", "newest", "verify", "register", "model"):
        if getattr(options, name):
            raise ConfigurationError(f"--{name} is about models: expected no --experiment")
    found = judge_and_show(options, settings)
    if options.json is not None:
        _write(options.json, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    if found.is_harm:
        return STATUS["STOP-HARM"]
    return min((STATUS[each.word] for each in found.variants), default=STATUS["CONTINUE"])


def _drills(options: argparse.Namespace, settings: Settings) -> "list[Drill]":
    from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415

    return read_drills(options.drills, settings.data_dir)


def _settings(path: Path | None) -> "VerdictSettings":
    from gnomon.verdict import VerdictSettings, read_settings  # noqa: PLC0415

    if path is None:
        return VerdictSettings()
    try:
        return read_settings(_bytes(path))
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _verify(options: argparse.Namespace) -> int:
    from gnomon.verdict import Verdicts  # noqa: PLC0415
    from gnomon.verdict.difference import first_difference  # noqa: PLC0415

    text = _bytes(options.verify)
    try:
        before = msgspec.json.decode(text, type=Verdicts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{options.verify}: no verdict: {error}") from error
    rules = before.settings if options.settings is None else _settings(options.settings)
    again, _ = _judge(
        options.comparisons,
        rules,
        drills=before.drills,
        now_ms=before.now_ms,
        newest=before.newest,
    )
    difference = first_difference(msgspec.json.decode(text), _plain(again))
    if difference is None:
        print(f"the same: {len(again.models)} models, settings {again.settings_sha256}")
        return 0
    print(f"{options.verify} differs: {difference}")
    return DIFFERS


def _plain(verdicts: "Verdicts") -> Any:
    return msgspec.json.decode(msgspec.json.encode(verdicts))


def _chosen(models: "Sequence[ModelVerdict]", wanted: str | None) -> "list[ModelVerdict]":
    if wanted is None:
        return list(models)
    found = [m for m in models if wanted in {m.name, f"{m.name}@{m.version}", m.sha256}]
    if not found:
        known = ", ".join(f"{m.name}@{m.version}" for m in models) or "none"
        raise ConfigurationError(f"--model {wanted}: expected one of {known}")
    return found


def _show(verdicts: "Verdicts", shown: "Sequence[ModelVerdict]") -> None:
    from gnomon.verdict.report.view import details, summary  # noqa: PLC0415

    print(f"settings {verdicts.settings_sha256}")
    if verdicts.records:
        print(f"{verdicts.records} decisions, {verdicts.repeats} repeats")
    if not shown:
        print("CONTINUE: no model has predicted any of them")
        return
    print(summary(shown, reference=verdicts.settings.reference))
    for model in shown if len(shown) <= SHOWN_IN_FULL else ():
        print(f"\n{details(model)}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
