"""How honest predictions are: corrections of intervals, their coverage, and reliability of success."""
