"""Describes a trained model for people: its card, tables and pictures."""

from gnomon.models.describe.card import Circumstances, model_card
from gnomon.models.describe.files import CARD, FEATURES_FILE, card_file, described

__all__ = ["CARD", "FEATURES_FILE", "Circumstances", "card_file", "described", "model_card"]
