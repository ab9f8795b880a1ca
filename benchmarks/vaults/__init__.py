"""The parts of ``benchmarks.vault``."""
