"""Floor 2: recipe → plan → run. Executors, asking at scale, budget."""
