"""Creates a stage from settings: the one place that knows what each stage needs."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import Stage
from gnomon.settings import Settings
from gnomon.topics import CONTROL, INTERVAL_CORRECTIONS, VERDICT_EVIDENCE

if TYPE_CHECKING:
    from gnomon.stages.live_verdicts import ReadEvidence


def build_stage(name: str, settings: Settings, metrics: Metrics) -> Stage[Any]:
    """Create the stage ``name``, not started.

    A process imports only the packages of its own stage.

    Raises:
        ValueError: There is no stage of that name.
    """
    match name:
        case "features":
            from gnomon.stages.features import FeaturesStage  # noqa: PLC0415

            return FeaturesStage(settings, metrics=metrics, now_ms=_now_ms)
        case "shadow":
            from gnomon.models.circuit_breaker import CallLimits  # noqa: PLC0415
            from gnomon.models.registry.source import VersionSource  # noqa: PLC0415
            from gnomon.stages.predicting.interval_corrections import LiveCorrections  # noqa: PLC0415
            from gnomon.stages.predicting.live_models import LiveModels  # noqa: PLC0415
            from gnomon.stages.shadow import ShadowStage  # noqa: PLC0415

            registry = VersionSource(uri=settings.mlflow_uri, model_name=settings.model_name)
            intents = partial(
                read_topic,
                kafka=settings.kafka,
                topic=settings.topic_prefix + CONTROL.name,
            )
            corrections = partial(
                read_topic,
                kafka=settings.kafka,
                topic=settings.topic_prefix + INTERVAL_CORRECTIONS.name,
            )
            models = LiveModels(
                registry,
                model=settings.model_name,
                poll_s=settings.model_poll_s,
                metrics=metrics,
                read_intents=intents,
            )
            return ShadowStage(
                models,
                metrics=metrics,
                now_ms=_now_ms,
                shed_lag_records=settings.shed_lag_records,
                limits=CallLimits(
                    budget_ms=settings.model_budget_ms,
                    budget_task_ms=settings.model_budget_task_ms,
                    grace_s=settings.model_grace_s,
                    failures_in_a_row=settings.model_failures_in_a_row,
                    pause_s=settings.model_pause_s,
                ),
                clock_s=time.monotonic,
                corrections=LiveCorrections(corrections, retry_s=settings.model_poll_s),
            )
        case "comparison":
            from gnomon.stages.comparison import ComparisonStage  # noqa: PLC0415
            from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415
            from gnomon.stages.live_verdicts import LiveVerdicts  # noqa: PLC0415

            verdicts = LiveVerdicts(
                _evidence(settings),
                drills=partial(read_drills, (), settings.data_dir),
                metrics=metrics,
                now_ms=_now_ms,
                every_s=settings.model_poll_s,
            )
            return ComparisonStage(settings, metrics=metrics, verdicts=verdicts)
        case "vault":
            from gnomon.stages.drill_reports import read_drills  # noqa: PLC0415
            from gnomon.stages.vault import VaultStage  # noqa: PLC0415
            from gnomon.stages.verdict_history import VerdictHistory  # noqa: PLC0415

            history = VerdictHistory(
                _evidence(settings),
                drills=partial(read_drills, (), settings.data_dir),
                now_ms=_now_ms,
            )
            return VaultStage(settings, metrics=metrics, history=history)
        case "collector":
            from gnomon.stages.collector import CollectorStage  # noqa: PLC0415

            return CollectorStage()
        case _:
            raise ValueError(f"no stage is called {name!r}")


def _evidence(settings: Settings) -> "ReadEvidence":
    """Return what reads the topic of evidence."""
    topic = settings.topic_prefix + VERDICT_EVIDENCE.name
    return partial(read_topic, kafka=settings.kafka, topic=topic)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
