"""How a deployed repository is: gathered once, shown as lines, JSON or metrics."""
