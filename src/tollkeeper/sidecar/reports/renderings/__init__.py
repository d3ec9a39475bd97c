"""The forms in which a report is handed out, one file each."""
