"""The parts of the page."""

TABS = (("reports", "Reports"), ("schedules", "Schedules"), ("reconciliation", "Reconciliation"))
