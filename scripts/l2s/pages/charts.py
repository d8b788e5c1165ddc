"""Pages of figures."""

import os
from collections.abc import Sequence
from pathlib import Path

import altair as alt
import vl_convert
from markupsafe import Markup

from l2s.analysis.charts import PICTURES, save_pictures
from l2s.layout import Layout
from l2s.pages.render import render

TEMPLATE = "chart.html.j2"


def write_figure(
    chart: alt.TopLevelMixin, out: Path, results: Path | None = None, trail: Sequence[tuple[str, str]] = ()
) -> None:
    """Write a figure as an interactive page, SVG and PNG to ``out`` with these suffixes added.

    Args:
        chart: The figure, with a title.
        out: The path without suffix.
        results: The results folder whose ``vega.js`` the page loads; None: the page holds that itself.
        trail: The pages above this one, see ``render``.
    """
    save_pictures(chart, out)
    spec = chart.to_dict()
    title = spec.pop("title")
    page = out.with_name(f"{out.name}.html")
    render(
        TEMPLATE,
        page,
        results=results,
        trail=trail,
        title=title["text"],
        said=title.get("subtitle", []),
        pictures=[f"{out.name}.{suffix}" for suffix in PICTURES],
        spec=spec,
        vega=None if results is None else os.path.relpath(Layout(str(results)).vega, page.parent),
        bundle=Markup(vl_convert.javascript_bundle()) if results is None else "",
    )
