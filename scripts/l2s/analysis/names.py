"""Names that tables use, apart from those of entries."""

MEAN = "mean"  # the line of a table that is the mean over benchmarks
