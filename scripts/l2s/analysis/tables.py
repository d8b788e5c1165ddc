"""How a study's table looks to people: Markdown, HTML, and the terminal."""

import html
from pathlib import Path

import pandas as pd
import pyarrow as pa

from l2s.analysis.names import MEAN
from l2s.files import write_text

NOTE = (
    "Accuracy with its Wilson 95 % interval. Length: mean response length in tokens; change against {reference}. "
    "Truncated: share of responses cut by budget or window. Reflective: share of responses with a reflection keyword, "
    "and how many such a response holds on average."
)


def display_frame(summary: pa.Table) -> pd.DataFrame:
    """Return the table as text cells, one row for each checkpoint and benchmark."""
    frame = summary.to_pandas()
    shown = pd.DataFrame({"Pair": frame["pair"], "Model": frame["recipe"], "Benchmark": frame["benchmark"]})
    shown["Accuracy %"] = [
        f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
        for value, low, high in zip(frame["accuracy"], frame["accuracy_low"], frame["accuracy_high"], strict=True)
    ]
    shown["Length"] = frame["mean_tokens"].map("{:.1f}".format)
    shown["Change"] = [change_text(value) for value in frame["length_change"]]
    shown["Truncated"] = frame["truncated"].map("{:.1%}".format)
    shown["Reflective"] = [
        f"{share:.1%} ({count:.1f})"
        for share, count in zip(frame["reflective"], frame["reflection_keywords"], strict=True)
    ]
    # A column that says the same in every row says it better in the title.
    return shown.drop(columns=[name for name in ("Pair", "Benchmark") if shown[name].nunique() == 1])


def change_text(change: float) -> str:
    """Write a relative change of length, e.g. ``−66.1 %``; nothing where there is no reference."""
    return "" if pd.isna(change) else f"{100 * change:+.1f} %".replace("-", "−")


def caption(summary: pa.Table, reference: str) -> str:
    """Say what the columns are and how many questions stand behind the numbers."""
    frame = summary.to_pandas()
    counts = frame[frame["benchmark"] != MEAN].groupby("benchmark", sort=False)["questions"].first()
    asked = ", ".join(f"{benchmark}: {count:,} questions" for benchmark, count in counts.items())
    return f"{asked}. {NOTE.format(reference=reference)}"


def write_markdown(summary: pa.Table, title: str, note: str, path: Path) -> None:
    """Write the table as Markdown."""
    shown = display_frame(summary).map(lambda cell: cell.replace("|", "\\|"))
    table = shown.to_markdown(index=False, disable_numparse=True)
    write_text(path, f"## {title}\n\n{table}\n\n{note}\n")


def write_html(summary: pa.Table, title: str, note: str, path: Path) -> None:
    """Write the table as a page of its own, without anything loaded from elsewhere."""
    from great_tables import GT

    shown = display_frame(summary)
    numbers = [name for name in shown.columns if name not in ("Pair", "Model", "Benchmark")]
    table = GT(shown, groupname_col="Pair" if "Pair" in shown else None)
    table = table.tab_header(title).tab_source_note(note).cols_align("right", numbers)
    name = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    body = table.tab_options(table_font_size="14px").as_raw_html()
    write_text(path, f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n')


def write_csv(summary: pa.Table, path: Path) -> None:
    """Write the summary's columns, unrounded, as CSV."""
    write_text(path, summary.to_pandas().to_csv(index=False))
