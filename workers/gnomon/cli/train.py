"""``gnomon train``: fit a model on the vault's decisions and register it."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

import msgspec

from gnomon.cli.models import live_alias
from gnomon.errors import BrokerUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.models.train import Trained

LEARNERS = ("mix", "pool", "boosted", "forest", "linear", "xgboost")
DEFAULT_LEARNER = "mix"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--min-decisions",
        type=int,
        default=100,
        metavar="N",
        help="refuse to train on fewer with an outcome (100)",
    )
    parser.add_argument(
        "--alias",
        type=live_alias,
        default="challenger",
        help="what the new version becomes: challenger, challenger-NAME or champion (challenger)",
    )
    parser.add_argument("--learner", choices=LEARNERS, default=DEFAULT_LEARNER, help="(mix)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "example: gnomon train --alias challenger-b --learner forest"


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Read every decision that opens, fit, register, and point the alias at the new version.

    Raises:
        ConfigurationError: There is no store, no key for it, or too few decisions.
        RegistryUnavailableError: The registry does not answer.
    """
    from gnomon.models.learners.catalog import LEARNERS as learners  # noqa: N811, PLC0415
    from gnomon.models.registry import Registry  # noqa: PLC0415
    from gnomon.models.train import train  # noqa: PLC0415
    from gnomon.operations.intent_log import ControlTopic, author, now_ms  # noqa: PLC0415
    from gnomon.operations.switching import ModelSwitch  # noqa: PLC0415
    from gnomon.operations.training import Trainer  # noqa: PLC0415

    registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
    trainer = Trainer(settings, author=author())
    try:
        opened = trainer.open_all()
    finally:
        trainer.close()
    trained = train(
        opened.decisions,
        learner=learners[options.learner](),
        min_decisions=options.min_decisions,
    )
    version = registry.register(trained, alias=None, author=author())
    try:
        switch = ModelSwitch(registry, ControlTopic(settings), author=author(), now_ms=now_ms)
        switch.promote(version, alias=options.alias, action="register")
    except BrokerUnavailableError as error:
        print(
            f"gnomon train: {error}. The registry's alias alone is moved; when a broker answers:"
            f" gnomon models promote {version} --alias {options.alias}",
            file=sys.stderr,
        )
        offline = ModelSwitch(registry, None, author=author(), now_ms=now_ms)
        offline.promote(version, alias=options.alias, action="register")
    unreadable = opened.unreadable.total()
    if options.json:
        print(json.dumps(_as_dict(trained, version, options.alias, unreadable)))
    else:
        _print(trained, version, options.alias, unreadable)
    return 0


def _as_dict(trained: "Trained", version: str, alias: str, unreadable: int) -> dict[str, object]:
    return {
        "version": version,
        "alias": alias,
        "learner": trained.learner,
        "decisions": trained.decisions,
        "unreadable": unreadable,
        "evaluation": msgspec.to_builtins(trained.evaluation),
    }


def _print(trained: "Trained", version: str, alias: str, unreadable: int) -> None:
    beside = f", {unreadable} could not be opened" if unreadable else ""
    print(
        f"version {version} is {alias}: {trained.learner} on {trained.decisions} decisions{beside}"
    )
    found = trained.evaluation
    if found is None:
        print("not evaluated: too few runs were finished before the last fifth began")
        return
    print(f"on the last {found.n_eval} runs, having seen {found.n_train} before them:")
    print(f"  error     {found.mae_s:,.1f} s")
    for name, baseline_s, improvement in (
        ("control", found.control_mae_s, found.improvement),
        ("same-type", found.same_type_mae_s, found.same_type_improvement),
        ("type", found.type_mae_s, found.type_improvement),
    ):
        if baseline_s is not None:
            print(f"    {name:9} {baseline_s:,.1f} s{_better(improvement)}")
    print(f"  within a quarter  {found.within_25:.1%}")
    if found.accuracy is not None and found.brier is not None:
        beside = ""
        if found.control_accuracy is not None:
            beside = f"   control {found.control_accuracy:.1%}"
        print(f"  success   {found.accuracy:.1%} right{beside}   Brier {found.brier:.3f}")


def _better(improvement: float | None) -> str:
    return "" if improvement is None else f"   improvement {improvement:+.1%}"
