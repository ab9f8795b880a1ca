"""Every way to learn, by name."""

from collections.abc import Callable, Mapping
from typing import Final

from gnomon.models.linear import Linear
from gnomon.models.mix import MixLearner
from gnomon.models.pool import PoolLearner
from gnomon.models.protocols import Learner
from gnomon.models.trees import Boosted, Forest
from gnomon.models.xgboosted import XGBoost

DEFAULT: Final = "mix"

LEARNERS: Final[Mapping[str, Callable[[], Learner]]] = {
    "mix": MixLearner,
    "pool": PoolLearner,
    "boosted": Boosted,
    "forest": Forest,
    "linear": Linear,
    "xgboost": XGBoost,
}
"""By the name that is noted beside a version."""
