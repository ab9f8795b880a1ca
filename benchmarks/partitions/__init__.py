"""What the number of partitions costs: ``python -m benchmarks.partitions``."""
