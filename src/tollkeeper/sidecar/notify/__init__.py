"""Tells people of alerts: one file for each way, all behind one contract."""
