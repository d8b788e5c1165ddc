"""Names that tables and figures use, apart from those of entries."""

from typing import Any

MEAN = "mean"  # the line of a table that is the mean over benchmarks


def dotted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return hyper-parameters by name, those of nested recipes by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat
