"""What the sidecar finds out by the clock: evaluators, each run by one sidecar at a time, for all of them."""
