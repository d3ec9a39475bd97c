"""What insight is made from, and what came of it."""
