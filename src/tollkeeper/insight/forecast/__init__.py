"""Where a period will end: how much, how surely, and when a budget is used up. Pure functions."""
