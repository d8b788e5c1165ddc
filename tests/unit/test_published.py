"""The paper's numbers parse, are all there, name what the project has, and agree with each other where they must."""

import pandas as pd
import pytest
from support import ROOT

from l2s.config import read_values
from l2s.contracts.table import MEAN

FOLDER = ROOT / "config" / "published" / "paper"
KEY = ["table", "pair", "method", "label", "benchmark", "metric"]
METHODS = {"quick", "slow", "dpo", "average", "task_arithmetic", "ties", "dare", "dare_ta", "dare_ties"}
METHODS |= {"lore", "twin", "aim", "sens"}
# Rows × benchmarks × metrics, and the column of averages.
CELLS = {"1": 13 * 6 * 2 + 13 + 11, "2": 7 * 3 * 3, "3": 7 * 3 * 4 + 7, "4": 5 * 3 * 4 + 5, "5": 7 * 3 * 2, "6": 8 * 7}
CELLS |= {"readme": 4}
ROWS = {"1": 13, "2": 7, "3": 7, "4": 5, "5": 7, "6": 8, "readme": 2}
# Printed averages that the cells do not give (method at 7B -> what they give).
ODD_LENGTH_CHANGES = {"dare_ta": -46.98, "lore": -41.69, "dare_ties": -50.48}
ODD_CLAIMS = {"slow_reflective": 99.1}
# Figure 2(b): how many questions each level of MATH-500 has, shares that no number of them gives (method -> levels),
# and shares of all levels together that are not those of table 6 (method -> what the levels give).
LEVELS = {1: 43, 2: 90, 3: 105, 4: 128, 5: 134}
IMPOSSIBLE = {"sens": [1, 2, 3, 4, 5]}
ODD_POOLED = {"aim": 14.6, "sens": 87.4}
QUESTIONS = {"gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675, "college_math": 2818}
QUESTIONS |= {"aime24": 30}


def read(name):
    return pd.read_csv(FOLDER / name, dtype={"table": str, "section": str}, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def cells():
    return read("cells.csv")


@pytest.fixture(scope="module")
def value(cells):
    """Return the value of a cell: value(pair, method, benchmark, metric)."""
    values = cells.drop_duplicates(["pair", "method", "benchmark", "metric"])
    return values.set_index(["pair", "method", "benchmark", "metric"])["value"].to_dict().__getitem__


def test_every_cell_of_the_papers_tables_is_there_once(cells):
    assert not cells.isna().any().any()
    assert not cells.duplicated(KEY).any()
    assert cells.groupby("table").size().to_dict() == CELLS
    assert cells.groupby("table")[["pair", "method"]].apply(lambda rows: len(rows.drop_duplicates())).to_dict() == ROWS
    units = cells.groupby("metric")["unit"].unique().map(list).to_dict()
    assert units == {
        "accuracy": ["percent"], "mean_tokens": ["tokens"], "length_change": ["percent"], "reflective": ["percent"],
        "reflective_responses": ["responses"], "reflection_keywords": ["keywords"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["cells.csv", "figure_2b.csv", "hyper_parameters.csv", "claims.csv"])
def test_pairs_benchmarks_and_methods_are_those_of_the_project(name):
    rows = read(name)
    assert set(rows["pair"]) <= {file.stem for file in (ROOT / "config" / "pairs").glob("*.yaml")}
    assert set(rows["method"]) <= METHODS
    if "benchmark" in rows:
        assert set(rows["benchmark"].dropna()) <= {*QUESTIONS, MEAN, "all"}


def test_what_two_tables_report_is_the_same_in_both(cells):
    shared = cells[cells["table"] != "readme"].groupby(["pair", "method", "benchmark", "metric"])["value"]
    assert (shared.nunique() == 1).all()
    assert (shared.size() > 1).sum() == 18


def test_counts_fit_their_benchmarks(cells):
    counts = cells[cells["metric"] == "reflective_responses"]
    assert (counts["value"] <= counts["benchmark"].map(QUESTIONS)).all()
    shares = cells[cells["unit"] == "percent"]
    assert shares.loc[shares["metric"] != "length_change", "value"].between(0, 100).all()


@pytest.mark.parametrize("metric", ["accuracy", "reflective"])
def test_printed_averages_follow_from_the_cells(cells, metric):
    rows = cells[(cells["metric"] == metric) & cells["table"].isin(["1", "6"])]
    wide = rows.pivot(index="method", columns="benchmark", values="value")
    assert wide.shape == ({"accuracy": 13, "reflective": 8}[metric], 7)
    assert (wide.drop(columns=MEAN).mean(axis=1) - wide[MEAN]).abs().max() <= 0.0501


@pytest.mark.parametrize(("table", "printed"), [("1", 11), ("3", 7), ("4", 5)])
def test_printed_length_change_is_the_mean_of_the_changes_of_the_benchmarks(cells, table, printed):
    rows = cells[cells["table"] == table]
    tokens = rows[rows["metric"] == "mean_tokens"].pivot(index="method", columns="benchmark", values="value")
    computed = 100 * (tokens / tokens.loc["slow"] - 1).mean(axis=1)
    changes = rows[rows["metric"] == "length_change"].set_index("method")["value"]
    assert len(changes) == printed
    odd = {method: computed[method] for method in changes.index if abs(computed[method] - changes[method]) > 0.0501}
    assert odd == (pytest.approx(ODD_LENGTH_CHANGES, abs=0.01) if table == "1" else {})


def printed(value, of):
    """Say whether a whole number of responses is such a percentage of ``of``, rounded."""
    return any(abs(100 * number / of - value) <= 0.0501 for number in range(of + 1))


def test_shares_of_figure_2b_are_possible_but_those_of_sens():
    bars = read("figure_2b.csv")
    assert bars.groupby("method").size().to_dict() == {"average": 5, "sens": 5, "ties": 5, "aim": 5}
    impossible = bars[[not printed(row.value, LEVELS[row.level]) for row in bars.itertuples()]]
    assert impossible.groupby("method")["level"].apply(list).to_dict() == IMPOSSIBLE


def test_figure_2b_and_table_6_agree_for_averaging_and_ties_alone(value):
    bars = read("figure_2b.csv")
    weighted = bars.assign(share=bars["value"] * bars["level"].map(LEVELS) / sum(LEVELS.values()))
    pooled = weighted.groupby("method")["share"].sum()
    odd = {
        method: share
        for method, share in pooled.items()
        if abs(share - value(("7b", method, "math500", "reflective"))) > 0.0501
    }
    assert odd == pytest.approx(ODD_POOLED, abs=0.05)


def test_one_share_of_table_6_is_impossible(cells):
    rows = cells[(cells["table"] == "6") & cells["benchmark"].isin(["math500", "aime24"])]
    odd = rows[[not printed(row.value, QUESTIONS[row.benchmark]) for row in rows.itertuples()]]
    assert odd[["method", "benchmark", "value"]].to_numpy().tolist() == [["aim", "math500", 40.3]]


def test_means_of_keywords_over_reflective_and_over_all_responses_are_both_printed(cells):
    """A mean over reflective responses is at least 1; over all 1,319 it cannot be 1.0 with 2 reflective ones."""
    few = cells[(cells["benchmark"] == "gsm8k") & (cells["method"] == "quick") & cells["table"].isin(["3", "4"])]
    wide = few.pivot(index="pair", columns="metric", values="value")
    assert wide["reflective_responses"].to_dict() == {"14b": 2, "32b": 3}
    assert wide["reflection_keywords"].to_dict() == {"14b": 1.0, "32b": 0.0}


def test_claims_of_the_text_follow_from_the_cells(value, cells):
    claims = read("claims.csv").set_index("claim")
    assert claims.index.is_unique
    computed = {name: claimed(row, value, cells) for name, row in claims.iterrows()}
    computed = {name: number for name, number in computed.items() if number is not None}
    assert len(computed) == 17
    wrong = {
        name: number
        for name, number in computed.items()
        if not (claims["low"].fillna(-1e9)[name] - 0.01 <= number <= claims["high"].fillna(1e9)[name] + 0.01)
    }
    assert wrong == pytest.approx(ODD_CLAIMS, abs=0.05)


def claimed(claim, value, cells):
    """Return what a claim says, recomputed from the cells; None where they do not hold it."""
    if not pd.isna(claim["setting"]):
        return None
    if claim["metric"] == "accuracy_difference":
        ours, theirs = (value((claim["pair"], who, "mean", "accuracy")) for who in (claim["method"], claim["against"]))
        return ours - theirs
    if claim["metric"] == "length_change":
        return value((claim["pair"], claim["method"], "mean", "length_change"))
    if claim["metric"] == "reflective":
        shares = {name: value((claim["pair"], claim["method"], name, "reflective")) for name in QUESTIONS}
        return sum(share * QUESTIONS[name] for name, share in shares.items()) / sum(QUESTIONS.values())
    return None


def test_recipes_have_the_hyper_parameters_of_table_7():
    keys = {"alpha": "scale", "p": "drop_rate", "k": "keep_fraction", "omega": "omega", "T": "temperature"}
    for row in read("hyper_parameters.csv").itertuples():
        number = 1 - row.value if row.symbol == "k" else row.value
        assert recipe_for(row.method, row.pair)[keys[row.symbol]] == pytest.approx(number), row


@pytest.mark.parametrize("pair", ["1.5b", "7b", "14b"])
def test_aim_is_over_the_ties_of_its_scale(pair):
    assert recipe_for("aim", pair)["of"] == recipe_for("ties", pair)


@pytest.mark.parametrize("pair", ["1.5b", "7b", "14b"])
def test_dare_combinations_take_the_rest_from_the_recipes_they_name(pair):
    drop_rate = recipe_for("dare", pair)["drop_rate"]
    ta, ties = recipe_for("task_arithmetic", pair), recipe_for("ties", pair)
    assert recipe_for("dare_ta", pair) == {**ta, "method": "dare_ta", "drop_rate": drop_rate}
    assert recipe_for("dare_ties", pair) == {**ties, "method": "dare_ties", "drop_rate": drop_rate}


def recipe_for(method, pair):
    """Return the recipe of a scale: <method>-<pair> if there is one, else <method>."""
    folder = ROOT / "config" / "recipes"
    own = folder / f"{method}-{pair}.yaml"
    return read_values(own if own.is_file() else folder / f"{method}.yaml")
