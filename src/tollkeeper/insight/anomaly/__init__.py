"""What is unusual in a series, since when, by how much, and what it is made of. Pure functions."""
