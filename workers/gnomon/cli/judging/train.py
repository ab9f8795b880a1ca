"""``gnomon train``: fit a model on the vault's decisions and register it."""

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from gnomon.cli.judging.models import live_alias
from gnomon.cli.texts.progress import progress
from gnomon.cli.texts.training_report import as_dict, lines
from gnomon.errors import BrokerUnavailableError
from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.models.intents import Wanted
    from gnomon.operations.models.training import Options, Trainer

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
    add_training_arguments(parser, analysis=True)
    parser.add_argument(
        "--origins",
        type=int,
        default=5,
        metavar="N",
        help="evaluate N models, each on the next runs after its training (5)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = "example: gnomon train --alias challenger-b --learner forest"


def add_training_arguments(parser: argparse.ArgumentParser, *, analysis: bool) -> None:
    """Declare the arguments that ``train`` and ``learn`` have in common."""
    parser.add_argument("--learner", choices=LEARNERS, default=DEFAULT_LEARNER, help="(mix)")
    parser.add_argument(
        "--most-decisions",
        type=positive,
        default=50_000,
        metavar="N",
        help="train on at most N; bounds the memory (50000)",
    )
    parser.add_argument(
        "--recent",
        type=positive,
        default=20_000,
        metavar="N",
        help="use all of the newest N, and older ones by agent and task type (20000)",
    )
    parser.add_argument(
        "--of-stratum",
        type=positive,
        default=200,
        metavar="N",
        help="use an older one if fewer than N of its agent and task type are used (200)",
    )
    parser.add_argument(
        "--analysis",
        action=argparse.BooleanOptionalAction,
        default=analysis,
        help="store importances, contributions and pictures beside the version; takes seconds"
        f" ({'yes' if analysis else 'no'})",
    )
    parser.add_argument(
        "--data-licence", default="", metavar="TEXT", help="licence of the data, for the model card"
    )


def positive(text: str) -> int:
    """Return a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def training_options(options: argparse.Namespace, *, most_read: int | None = None) -> "Options":
    """Return how to train, from the arguments that ``add_training_arguments`` declared."""
    from gnomon.models.sample import SamplingRule  # noqa: PLC0415
    from gnomon.operations.models.training import Options  # noqa: PLC0415

    return Options(
        learner=options.learner,
        min_decisions=options.min_decisions,
        rule=SamplingRule(
            recent=options.recent,
            of_stratum=options.of_stratum,
            most=options.most_decisions,
            most_read=most_read,
        ),
        analysis=options.analysis,
        data_licence=options.data_licence,
    )


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Read the decisions that the sampling rule chooses, fit, register, and point the alias at the new version.

    Raises:
        ConfigurationError: There is no store, no key for it, or too few decisions.
        RegistryUnavailableError: The registry did not answer for a minute.
    """
    from gnomon.models.evaluation import Plan  # noqa: PLC0415
    from gnomon.operations.models.intent_log import author  # noqa: PLC0415
    from gnomon.operations.models.training import Trainer  # noqa: PLC0415

    plan = Plan(origins=options.origins, share=0.5 / options.origins)
    how = dataclasses.replace(training_options(options), plan=plan)
    with progress() as on_progress:
        trainer = Trainer(settings, author=author(), options=how, on_progress=on_progress)
        try:
            fit = trainer.fit(_replaced(trainer, options.alias))
            on_progress("registering", 0, None)
            version = trainer.register(fit, reason="asked")
        finally:
            trainer.close()
    _promote(settings, version, alias=options.alias)
    if options.json:
        print(json.dumps(as_dict(fit, version=version, alias=options.alias)))
    else:
        print("\n".join(lines(fit, version=version, alias=options.alias)))
    return 0


def _replaced(trainer: "Trainer", alias: str) -> "Wanted | None":
    """Return the version that the new one would replace; without a broker, what the registry states."""
    try:
        return trainer.replaced_by(alias)
    except BrokerUnavailableError:
        return trainer.replaced_by(alias, ask_broker=False)


def _promote(settings: Settings, version: str, *, alias: str) -> None:
    from gnomon.models.registry import Registry  # noqa: PLC0415
    from gnomon.operations.models.intent_log import ControlTopic, author, now_ms  # noqa: PLC0415
    from gnomon.operations.models.switching import ModelSwitch  # noqa: PLC0415

    registry = Registry(uri=settings.mlflow_uri, model_name=settings.model_name)
    try:
        switch = ModelSwitch(registry, ControlTopic(settings), author=author(), now_ms=now_ms)
        switch.promote(version, alias=alias, action="register")
    except BrokerUnavailableError as error:
        print(
            f"gnomon train: {error}. The registry's alias alone is moved; when a broker answers:"
            f" gnomon models promote {version} --alias {alias}",
            file=sys.stderr,
        )
        offline = ModelSwitch(registry, None, author=author(), now_ms=now_ms)
        offline.promote(version, alias=alias, action="register")
