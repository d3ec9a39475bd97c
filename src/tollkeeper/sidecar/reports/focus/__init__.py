"""Charges in the form of FOCUS, the FinOps Open Cost and Usage Specification (focus.finops.org): Cost and Usage."""
