"""Whether the ledger agrees with what providers bill; and where not, why not."""
