"""The parts of the page."""

TABS = (("reports", "Reports"), ("reconciliation", "Reconciliation"))
