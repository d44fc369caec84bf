"""Floor 3: comparisons. What several runs, or several branches of one, say about each other."""
