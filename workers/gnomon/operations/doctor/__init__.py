"""Looks at an installation and says what to do about what it finds. It changes nothing."""

from gnomon.operations.doctor.findings import Check, Finding, Level
from gnomon.operations.doctor.run import examine

__all__ = ["Check", "Finding", "Level", "examine"]
