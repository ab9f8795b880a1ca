"""What a stage reads is said in one more place, for those who ask the broker alone."""

from gnomon.operations.lag import INPUTS, OPTIONAL_INPUTS
from gnomon.stages import OPTIONAL_STAGES, STAGES
from gnomon.stages.collector import CollectorStage
from gnomon.stages.comparison import ComparisonStage
from gnomon.stages.features import FeaturesStage
from gnomon.stages.shadow import ShadowStage
from gnomon.stages.vault import VaultStage


def test_the_overview_knows_what_every_stage_reads() -> None:
    stages = (FeaturesStage, ShadowStage, ComparisonStage, VaultStage)

    assert {stage.name: stage.inputs for stage in stages} == INPUTS
    assert tuple(stage.name for stage in stages) == STAGES
    assert {CollectorStage.name: CollectorStage.inputs} == OPTIONAL_INPUTS
    assert (CollectorStage.name,) == OPTIONAL_STAGES
