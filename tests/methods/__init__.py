"""One file for each merging method: its recipes to compare, its naive float64 reference, and what only it has."""
