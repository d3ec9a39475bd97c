"""Where providers tell what was used and what it cost: their admin APIs, and the CSV exports of their consoles."""
