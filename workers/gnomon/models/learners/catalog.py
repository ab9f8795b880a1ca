"""Lists every learner by name."""

from collections.abc import Callable, Mapping
from typing import Final

from gnomon.models.learners.linear import Linear
from gnomon.models.learners.mix import MixLearner
from gnomon.models.learners.pool import PoolLearner
from gnomon.models.learners.trees import Boosted, Forest
from gnomon.models.learners.xgboosted import XGBoost
from gnomon.models.protocols import Learner

DEFAULT: Final = "mix"

LEARNERS: Final[Mapping[str, Callable[[], Learner]]] = {
    "mix": MixLearner,
    "pool": PoolLearner,
    "boosted": Boosted,
    "forest": Forest,
    "linear": Linear,
    "xgboost": XGBoost,
}
"""The learners by the name that is stored with a version."""
