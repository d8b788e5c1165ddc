"""The tables beside a study's main one, a row for each model: at smaller budgets, and by level of the questions."""

import pandas as pd
import pyarrow as pa

from l2s.analysis.table import as_decoded, by_grader, overall
from l2s.contracts.table import MEAN

BUDGETS = (
    "Budgets: accuracy in % (mean length) of the same responses, cut after so many generated tokens, which is what the "
    "models would have said with that budget."
)
LEVELS = "Levels: accuracy in % (mean length) of the questions of one level alone; in brackets, how many they are."


def side_tables(summary: pa.Table) -> dict[str, pd.DataFrame]:
    """Return those that a study has, by title, as text cells.

    Args:
        summary: A table with the schema TABLE.
    """
    tables = {"At smaller budgets": budgets_frame(summary), "By level": levels_frame(summary)}
    return {title: frame for title, frame in tables.items() if not frame.empty}


def budgets_frame(summary: pa.Table) -> pd.DataFrame:
    """Return accuracy and mean length at each budget as text cells, a row for each model; empty without budgets.

    Args:
        summary: A table with the schema TABLE. Of several benchmarks their mean is shown.
    """
    frame = overall(summary)
    several = (frame["benchmark"] == MEAN).any()
    frame = frame[frame["read_at"].isna() & ((frame["benchmark"] == MEAN) | (not several))]
    if frame["budget"].isna().all():
        return pd.DataFrame()
    names = {budget: f"Budget {budget:,.0f}" for budget in sorted(frame["budget"].dropna().unique())}
    at = frame["budget"].map(names).fillna("As decoded")
    return _one_row_a_model(frame, at, [*names.values(), "As decoded"])


def levels_frame(summary: pa.Table) -> pd.DataFrame:
    """Return accuracy and mean length at each level as text cells, a row for each model.

    Args:
        summary: A table with the schema TABLE.

    Returns:
        An empty frame without levels, and with several benchmarks, whose levels do not mean the same.
    """
    frame = as_decoded(by_grader(summary))
    frame = frame[frame["read_at"].isna()]
    if frame["benchmark"].nunique() > 1 or frame["level"].isna().all():
        return pd.DataFrame()
    frame = frame[frame["level"].notna()]
    counts = frame.groupby("level")["questions"].first()
    names = {level: f"Level {level:.0f} ({count:,})" for level, count in counts.items()}
    return _one_row_a_model(frame, frame["level"].map(names), list(names.values()))


def _one_row_a_model(frame: pd.DataFrame, column: pd.Series, columns: list[str]) -> pd.DataFrame:
    """Return lines of a summary as text cells: a row for each model, and these columns, into which ``column`` sorts."""
    cells = [f"{100 * line.accuracy:.1f} ({line.mean_tokens:.1f})" for line in frame.itertuples()]
    shown = pd.DataFrame({"Pair": frame["pair"], "Model": frame["recipe"], "Column": column, "Cell": cells})
    wide = shown.pivot(index=["Pair", "Model"], columns="Column", values="Cell")[columns].fillna("")
    wide = shown[["Pair", "Model"]].drop_duplicates().merge(wide.reset_index(), on=["Pair", "Model"])
    return wide.drop(columns=["Pair"] if wide["Pair"].nunique() == 1 else [])
