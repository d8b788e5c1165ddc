"""How a study's table looks to people: Markdown, LaTeX, and the terminal; pages are made in ``l2s.pages``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from l2s.analysis.cautions import AT_LEAST, cautions, length_text
from l2s.analysis.lengths import NOTES as LENGTHS
from l2s.analysis.marks import ALIKE_MARK, BEST_MARK, Marks
from l2s.analysis.reflection import NOTES as REFLECTIONS
from l2s.analysis.side_tables import BUDGETS, LEVELS, budgets_frame, levels_frame
from l2s.analysis.table import Counting, as_decoded, graders_of, model_names, overall
from l2s.contracts.table import MEAN
from l2s.files import write_text
from l2s.layout import is_imported

# What TeX reads as more than itself, in a caption; pandas escapes cells only.
WORDS = ("Pair", "Model", "Benchmark", "Checkpoint", "Again")  # columns that are not numbers
NOTE = (
    "Accuracy with its Wilson 95 % interval. Length: mean response length in tokens, {length}; change against "
    "{reference}, with its 95 % bootstrap interval over questions. At most so many points worse than it: shown, not "
    "shown, or refuted, by the one-sided 95 % bound of the paired difference. Truncated: share of responses cut by "
    "budget or context length. Reflective: share of responses with a reflection keyword, and how many such a response "
    "holds on average ({reflection})."
)
READ_AT = (
    "Lines with a context length: the same responses, cut where a context length of so many tokens, prompt and "
    "response together, would have ended them."
)
IMPORTED = "Imported: accuracy as the tool says that generated the responses."
NOT_TOLD = "?: the imported files do not tell what was cut."
NOT_GENERATED = "Lengths of imports are those that their files tell, else those of the texts, without a stop token."
LATEX = str.maketrans(
    {"\\": r"\textbackslash ", "~": r"\textasciitilde ", "^": r"\textasciicircum "}
    | {character: f"\\{character}" for character in "{}$&%#_"}
)
"""What TeX would take for a command, and how it is written."""


def display_frame(summary: pa.Table, comparisons: pa.Table) -> pd.DataFrame:
    """Return the table as text cells, one row for each checkpoint and benchmark.

    Args:
        summary: A table with the schema TABLE.
        comparisons: The same study's, schema COMPARISONS.
    """
    frame, marks = as_decoded(overall(summary)), Marks(comparisons)
    lines = list(frame.itertuples())
    against = [marks.against_reference(line) for line in lines]
    shown = pd.DataFrame({"Pair": frame["pair"], "Model": model_names(frame), "Benchmark": frame["benchmark"]})
    shown["Accuracy %"] = [f"{_accuracy_text(line)} {marks.mark(line)}".strip() for line in lines]
    for grader in graders_of(summary)[1:]:
        shown[f"{grader} %"] = (100 * as_decoded(overall(summary, grader))["accuracy"].to_numpy()).round(1).astype(str)
    if frame["imported_accuracy"].notna().any():
        scores = 100 * frame["imported_accuracy"]
        shown["Imported %"] = scores.map("{:.1f}".format).where(scores.notna(), "")
    shown["Length"] = [length_text(line) for line in lines]
    shown["Change"] = [
        change_text(line.length_change) + _limits_text(one) for line, one in zip(lines, against, strict=True)
    ]
    if any(against):
        allowed = 100 * next(filter(None, against)).allowed_loss
        points = "point" if allowed == 1 else "points"
        shown[f"At most {allowed:g} {points} worse"] = [one.verdict if one else "" for one in against]
    shown["Truncated"] = frame["truncated"].map(lambda share: "?" if pd.isna(share) else f"{share:.1%}")
    shown["Reflective"] = [
        f"{share:.1%} ({count:.1f})"
        for share, count in zip(frame["reflective"], frame["reflection_keywords"], strict=True)
    ]
    # A column that says the same in every row says it better in the title.
    return shown.drop(columns=[name for name in ("Pair", "Benchmark") if shown[name].nunique() == 1])


def _accuracy_text(line: Any) -> str:
    low, high = 100 * line.accuracy_low, 100 * line.accuracy_high
    return f"{100 * line.accuracy:.1f} [{low:.1f}, {high:.1f}]"


def _limits_text(compared: Any | None) -> str:
    """Write the interval of a change of length, where there is one."""
    if compared is None or pd.isna(compared.length_change_low):
        return ""
    low, high = (
        f"{100 * limit:+.1f}".replace("-", "−") for limit in (compared.length_change_low, compared.length_change_high)
    )
    return f" [{low}, {high}]"


def change_text(change: float) -> str:
    """Write a relative change of length, e.g. ``−66.1 %``; nothing where there is no reference."""
    return "" if pd.isna(change) else f"{100 * change:+.1f} %".replace("-", "−")


def caption(
    summary: pa.Table, comparisons: pa.Table, reference: str, counting: Counting, limits: Sequence[str] = ()
) -> str:
    """Say what the columns are and how many questions stand behind the numbers.

    Args:
        summary: A table with the schema TABLE.
        comparisons: The same study's, schema COMPARISONS.
        reference: What lengths are compared with.
        counting: What was counted as length and as reflection.
        limits: Sentences on limits of single checkpoints.
    """
    own, *others = graders_of(summary)
    frame = overall(summary)
    counts = frame[frame["benchmark"] != MEAN].groupby("benchmark", sort=False)["questions"].first()
    asked = ", ".join(f"{benchmark}: {count:,} questions" for benchmark, count in counts.items())
    counted = {"length": LENGTHS[counting.length], "reflection": REFLECTIONS[counting.reflection]}
    note = NOTE.format(reference=reference, **counted)
    readings = [] if frame["read_at"].isna().all() else [READ_AT]
    readings += _notes_on_imports(frame, counting)
    readings += [] if budgets_frame(summary).empty else [BUDGETS]
    readings += [] if levels_frame(summary).empty else [LEVELS]
    graded = f"Graded by {own}; the same responses' accuracy by {', '.join(others)} beside it." if others else ""
    return " ".join(
        [
            f"{asked}. {note}",
            *filter(None, [graded]),
            *Marks(comparisons).sentences(),
            *readings,
            *cautions(summary),
            *limits,
        ]
    )


def _notes_on_imports(frame: pd.DataFrame, counting: Counting) -> list[str]:
    notes = {
        IMPORTED: frame["imported_accuracy"].notna().any(),
        NOT_TOLD: frame["truncated"].isna().any(),
        NOT_GENERATED: counting.length == "generated" and frame["checkpoint"].map(is_imported).any(),
    }
    return [note for note, holds in notes.items() if holds]


def write_markdown(tables: Sequence[pd.DataFrame], title: str, note: str, path: Path) -> None:
    """Write tables of text cells as Markdown, one under the other."""
    shown = [table.map(_in_markdown) for table in tables]
    texts = [table.to_markdown(index=False, disable_numparse=True) for table in shown]
    write_text(path, "\n\n".join([f"## {_in_markdown(title)}", *texts, note]) + "\n")


def _in_markdown(text: str) -> str:
    """Return a text as Markdown shows it, on one line: markup in a name stays text."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("|", "\\|").replace("`", "\\`").replace("](", "]\\(")


def write_latex(table: pd.DataFrame, title: str, path: Path) -> None:
    """Write a table of text cells as LaTeX (package booktabs), labelled ``tab:`` and the file's name."""
    plain = table.map(lambda cell: cell.replace("−", "-"))
    sides = "".join("l" if name in WORDS else "r" for name in table.columns)
    caption = " ".join(title.split()).translate(LATEX)  # pandas escapes cells and headings only
    label = f"tab:{path.stem}"
    text = plain.to_latex(index=False, escape=True, column_format=sides, caption=caption, label=label)
    # TeX's own fonts lack the marks of comparisons.
    write_text(
        path, text.replace(BEST_MARK, r"$\triangle$").replace(ALIKE_MARK, r"$\approx$").replace(AT_LEAST, r"$\geq$")
    )


def write_csv(summary: pa.Table, path: Path) -> None:
    """Write the summary's columns, unrounded, as CSV; without the column of readings where there are none."""
    if summary["read_at"].null_count == len(summary):
        summary = summary.drop_columns(["read_at"])
    write_text(path, summary.to_pandas().to_csv(index=False))
