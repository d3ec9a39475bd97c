"""What the ledger's figures mean: what is unusual, where a period will end, what would be cheaper. Pure functions."""
