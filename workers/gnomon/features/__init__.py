"""Rolling features of agents: a pure fold over task events, without I/O."""

from gnomon.features.config import FeaturesConfig
from gnomon.features.decay import tick
from gnomon.features.fold import fold
from gnomon.features.snapshot import SnapshotError, restore, snapshot, snapshot_steps
from gnomon.features.state import FeaturesState

__all__ = [
    "FeaturesConfig",
    "FeaturesState",
    "SnapshotError",
    "fold",
    "restore",
    "snapshot",
    "snapshot_steps",
    "tick",
]
