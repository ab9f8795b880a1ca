"""Truth beside prediction: the join, the ledger and the figures. Pure, no I/O."""
