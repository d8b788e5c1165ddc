"""Writing charts as files."""

from pathlib import Path
from typing import Any

from l2s.files import atomic_path

PNG_PIXELS_PER_INCH = 144
# The page carries its libraries: nothing is loaded from elsewhere.
FORMATS: dict[str, dict[str, Any]] = {"html": {"inline": True}, "svg": {}, "png": {"ppi": PNG_PIXELS_PER_INCH}}


def save_chart(chart: Any, out: Path) -> None:
    """Write an altair chart as interactive HTML, SVG and PNG to ``out`` with these suffixes added."""
    for suffix, options in FORMATS.items():
        with atomic_path(out.with_name(f"{out.name}.{suffix}")) as partial:
            chart.save(str(partial), format=suffix, **options)
