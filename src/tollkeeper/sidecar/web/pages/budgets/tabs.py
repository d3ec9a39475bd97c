"""The tabs of the page."""

PATH = "/budgets"
TITLE = "Budgets & limits"
TABS = (
    ("limits", "Budgets and limits"), ("quotas", "Quotas"), ("in-flight", "In flight"), ("history", "History"),
    ("emergency", "Emergency"),
)  # fmt: skip
