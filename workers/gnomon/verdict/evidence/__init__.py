"""What a verdict is made of: comparisons as exact sums by hour, of one file or of live partitions."""
