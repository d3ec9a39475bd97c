"""Dashboards and alert rules as code; `build` writes them out. Not imported at run time."""
