"""Detects changes of a model's losses and of its input features. Pure: no I/O, no clock."""

from gnomon.drift.adwin import Adwin
from gnomon.drift.features import FeatureReference, FeatureShift, references, shift
from gnomon.drift.losses import LossChange, LossWatch, scaled_loss
from gnomon.drift.notices import Notice, Word, notice
from gnomon.drift.page_hinkley import PageHinkley

__all__ = [
    "Adwin",
    "FeatureReference",
    "FeatureShift",
    "LossChange",
    "LossWatch",
    "Notice",
    "PageHinkley",
    "Word",
    "notice",
    "references",
    "scaled_loss",
    "shift",
]
