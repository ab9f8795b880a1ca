"""Detects changes of a model's losses and of its input features. Pure: no I/O, no clock."""

from gnomon.drift.adwin import Adwin
from gnomon.drift.features import FeatureReference, FeatureShift, references, shift
from gnomon.drift.losses import LossChange, LossWatch, scaled_loss
from gnomon.drift.monitor import Drift, FeatureDrift, Monitor
from gnomon.drift.notices import Notice, Word, notice
from gnomon.drift.page_hinkley import PageHinkley
from gnomon.drift.rows import FEATURES, feature_row

__all__ = [
    "FEATURES",
    "Adwin",
    "Drift",
    "FeatureDrift",
    "FeatureReference",
    "FeatureShift",
    "LossChange",
    "LossWatch",
    "Monitor",
    "Notice",
    "PageHinkley",
    "Word",
    "feature_row",
    "notice",
    "references",
    "scaled_loss",
    "shift",
]
