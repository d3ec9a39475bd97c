"""What could be cheaper, by how much, and how sure that is: one file for each kind of advice."""
