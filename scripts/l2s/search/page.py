"""The page of a search: verdict, front, how it went, and everything that was tried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from l2s.pages.render import render
from l2s.search.measures import Measured
from l2s.search.verdict import Verdict, points, shorter_by

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 520, 320


def write_page(verdict: Verdict, out: Path, results: Path | None = None) -> None:
    """Write the page; without a results folder it leads nowhere."""
    render(
        "search.html.j2",
        out,
        results=results,
        title=verdict.title,
        verdict=verdict,
        report=[_row(one) for one in sorted(verdict.report, key=lambda one: one.overall.tokens)],
        points=points,
        front=_svg(front_chart(verdict)),
        progress=_svg(progress_chart(verdict)),
    )


def _row(one: Measured) -> dict[str, Any]:
    return {"of": one, "length": shorter_by(one.overall)}


def _svg(chart: alt.TopLevelMixin) -> Markup:
    import vl_convert

    return Markup(vl_convert.vegalite_to_svg(chart.to_dict()))


def front_chart(verdict: Verdict) -> alt.TopLevelMixin:
    """Return points lost against change in length: of all candidates in selection, and of the report."""
    import altair as alt

    rows = [
        {
            "shown as": "selection, on the front" if one.on_front else "selection",
            "points lost": 100 * one.loss,
            "change in length %": 100 * one.length_change,
        }
        for one in verdict.tried
    ]
    rows += [
        {
            "shown as": f"report: {one.kind}",
            "points lost": 100 * one.overall.loss,
            "change in length %": 100 * one.overall.length_change,
        }
        for one in verdict.report
        if one.overall.length_change is not None
    ]
    dots = (
        alt.Chart(alt.Data(values=rows))
        .mark_point(size=70)
        .encode(
            x=alt.X("change in length %:Q"),
            y=alt.Y("points lost:Q"),
            color=alt.Color("shown as:N", title=None, legend=alt.Legend(labelLimit=0)),
            shape=alt.Shape("shown as:N", title=None),
        )
    )
    allowed = alt.Data(values=[{"points lost": verdict.allowed_loss}])
    rule = alt.Chart(allowed).mark_rule(strokeDash=[4, 4]).encode(y="points lost:Q")
    return (dots + rule).properties(width=WIDTH, height=HEIGHT)


def progress_chart(verdict: Verdict) -> alt.TopLevelMixin:
    """Return the change in length of the best candidate so far against the tokens that had been decoded."""
    import altair as alt

    rows = [
        {"tokens decoded": one.tokens, "change in length % of the best so far": 100 * one.length_change}
        for one in verdict.progress
        if one.length_change is not None
    ]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="step-after", point=True)
        .encode(x="tokens decoded:Q", y=alt.Y("change in length % of the best so far:Q", scale=alt.Scale(zero=False)))
        .properties(width=WIDTH, height=HEIGHT // 2)
    )
