"""The sidecar: receives every call, prices it, keeps it for ever exactly once, and answers questions about it."""
