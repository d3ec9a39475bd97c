"""The calls of the ledger as files that other programs read."""
