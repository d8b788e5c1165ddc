"""What stages hand to each other: the schema of every file that one writes and another reads, and nothing else."""
