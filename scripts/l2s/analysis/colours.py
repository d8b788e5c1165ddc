"""Colours of the lines and points of figures."""

from collections.abc import Iterable

import altair as alt

FEW = 10  # as many colours as the scheme for few has


def colour(column: str, values: Iterable[str], title: str) -> alt.Color:
    """Return the colour by a column's values, in their order: no two of up to 20 alike, none cut in the legend."""
    order = list(dict.fromkeys(values))
    scheme = "tableau10" if len(order) <= FEW else "tableau20"
    legend = alt.Legend(labelLimit=0, symbolLimit=0)
    return alt.Color(f"{column}:N", title=title, sort=order, scale=alt.Scale(scheme=scheme), legend=legend)
