"""The paper's numbers parse, are all there, name what the project has, and agree with each other where they must."""

import importlib
import json
import re
from collections import Counter

import pandas as pd
import pytest
from support import ROOT

from l2s.audit.findings import find_all
from l2s.audit.findings.averages import recomputed
from l2s.audit.findings.impossible_shares import is_share
from l2s.audit.measured import fits
from l2s.audit.published import Published
from l2s.config import read_values
from l2s.contracts.table import MEAN
from l2s.experiment import Experiment

FOLDER = ROOT / "config" / "published" / "paper"
PAPER = Published(FOLDER)
KEY = ["table", "pair", "method", "label", "benchmark", "metric"]
METHODS = {"quick", "slow", "dpo", "average", "task_arithmetic", "ties", "dare", "dare_ta", "dare_ties"}
METHODS |= {"lore", "twin", "aim", "sens"}
# Rows × benchmarks × metrics, and the column of averages.
CELLS = {"1": 13 * 6 * 2 + 13 + 11, "2": 7 * 3 * 3, "3": 7 * 3 * 4 + 7, "4": 5 * 3 * 4 + 5, "5": 7 * 3 * 2, "6": 8 * 7}
CELLS |= {"readme": 4}
ROWS = {"1": 13, "2": 7, "3": 7, "4": 5, "5": 7, "6": 8, "readme": 2}
QUESTIONS = {"gsm8k": 1319, "math500": 500, "minerva_math": 272, "olympiadbench": 675, "college_math": 2818}
QUESTIONS |= {"aime24": 30}


def read(name):
    return pd.read_csv(FOLDER / name, dtype={"table": str, "section": str}, keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def cells():
    return read("cells.csv")


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


def found(kind):
    """Return the findings of a kind: [(title, arithmetic, {(method, benchmark, level)})]."""
    module = importlib.import_module(f"l2s.audit.findings.{kind}")
    return [(one.title, one.arithmetic, names(one.cells)) for one in module.find(PAPER)]


def names(keys):
    return {(method, benchmark, level) for _, _, method, _, benchmark, level, _ in keys}


def test_numbers_of_responses_are_those_of_the_benchmarks(real_data):
    entries = {name: read_values(ROOT / "config" / "benchmarks" / f"{name}.yaml")["rows"] for name in QUESTIONS}
    assert {name: PAPER.responses_of("1", name) for name in QUESTIONS} == QUESTIONS == entries
    rows = map(json.loads, (real_data / "benchmarks" / "math500.jsonl").read_text().splitlines())
    levels = Counter(row["level"] for row in rows)
    assert {level: PAPER.responses_of("2b", "math500", level) for level in range(1, 6)} == levels
    assert PAPER.responses_of("readme", "aime24") == 30 * 16


def test_printed_averages_follow_from_the_cells_but_three():
    odd = found("averages")
    assert {cell for _, _, cells in odd for cell in cells} == {
        (m, "mean", None) for m in ("dare_ta", "dare_ties", "lore")
    }
    (dare_ta,) = [one for one in odd if "DARE-TA " in one[0]]
    assert "−46.0 %, is not what its row gives" in dare_ta[0]
    assert "is −46.98, and −46.0 is printed" in dare_ta[1]
    assert all("cut off instead of rounded" in title for title, _, _ in odd if "DARE-TA " not in title)
    averages = list(recomputed(PAPER))
    assert len(averages) == 13 + 11 + 7 + 5 + 8
    assert {(cell.table, cell.metric) for cell, _ in averages} == {
        ("1", "accuracy"), ("1", "length_change"), ("3", "length_change"), ("4", "length_change"), ("6", "reflective"),
    }  # fmt: skip


def test_averages_are_only_computed_again_where_all_of_their_numbers_are_published():
    others = Published(FOLDER.with_name("beyond"))
    averages = {(cell.table, cell.pair, cell.label, cell.metric) for cell, _ in recomputed(others)}
    assert ("acm", "7b", "ACM-TIES", "length_change") in averages
    assert ("acm", "1.5b", "ACM-TIES", "accuracy") in averages
    assert ("acm", "1.5b", "ACM-TIES", "length_change") not in averages  # no lengths
    assert ("acm", "1.5b", "TIES", "accuracy") not in averages  # nothing but the average
    assert ("fim", "1.5b", "FIM-TIES", "accuracy") not in averages  # half of the benchmarks


def test_shares_that_no_number_of_responses_gives_are_one_of_table_6_and_those_of_sens_in_figure_2b():
    table, figure = found("impossible_shares")
    assert table[2] == {("aim", "math500", None)}
    assert "Of 500 responses, 201 are 40.20 % and 202 are 40.40 %; 40.3 % is printed." in table[1]
    assert figure[2] == {("sens", "math500", level) for level in range(1, 6)}


@pytest.mark.parametrize(
    ("percent", "total", "possible"),
    [(40.3, 500, False), (40.2, 500, True), (3.3, 30, True), (3.4, 30, False), (0, 30, True), (100, 30, True)],
)
def test_shares_are_possible_if_a_whole_number_rounds_to_them(percent, total, possible):
    assert is_share(percent, total, 0.05) == possible


def test_figure_2b_and_table_6_agree_for_averaging_and_ties_alone():
    sens, aim = sorted((title for title, _, _ in found("figure_2b_and_table_6")), reverse=True)
    assert sens == "Sens-Merging: on math500, figure 2(b) gives 87.4 % reflective responses and table 6 83.6 %"
    assert aim == "AIM-TIES: on math500, figure 2(b) gives 14.6 % reflective responses and table 6 40.3 %"


def test_means_of_keywords_over_reflective_and_over_all_responses_are_both_printed():
    (one,) = found("keyword_means")
    assert "each of the 2 would hold 659.5 keywords, and a response has 138.5 tokens" in one[1]
    assert "3 responses are reflective, each with at least one keyword, and the mean is 0.0" in one[1]


def test_two_rows_have_the_same_counts_of_reflection():
    (one,) = found("repeated_entries")
    assert one[0].startswith("TIES-Merging at 14B (table 3) and Task Arithmetic at 32B (table 4)")
    assert "All 6 numbers" in one[1]


def test_merges_end_below_the_context_length_of_their_base():
    (one,) = found("merged_lengths")
    assert one[0].startswith("14 of 15 mean lengths of merges on AIME24")
    assert "above are: Average Merging at 7B 5964.8" in one[1]


def test_claims_of_the_text_follow_from_the_cells_but_one():
    (one,) = found("claims")
    assert one[0].startswith("Section 6 says 99.3 percent, table 6 gives 99.1")
    assert "Of the 17 claims that the tables hold the numbers of, 16 follow" in one[1]
    assert read("claims.csv")["claim"].is_unique


def test_findings_that_prove_a_number_impossible_name_it():
    impossible = {key for one in find_all(PAPER) for key in one.impossible}
    assert {(table, method) for table, _, method, *_ in impossible} == {
        ("1", "dare_ta"), ("2b", "sens"), ("4", "quick"), ("6", "aim"),
    }  # fmt: skip
    assert len(impossible) == 8


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


@pytest.mark.parametrize(
    ("demo", "document", "lines"),
    [("demo", "README.md", 15), ("demo_real", "workflow/resources/demo_real/README.md", 14)],
)
def test_the_demos_published_numbers_are_those_of_their_tables(demo, document, lines):
    cells = Published(FOLDER.with_name(demo)).cells.set_index(["label", "metric"])["printed"].to_dict()
    table = re.findall(r"^\| (.*\[.*?) +\|$", (ROOT / document).read_text(), re.M)
    rows = [re.split(r" +\| ", line) for line in table if line.count("|") == 5]
    shown = {}
    for label, accuracy, length, change, truncated, reflective in rows:
        share, keywords = re.fullmatch(r"([\d.]+)% \(([\d.]+)\)", reflective).groups()
        numbers = {"accuracy": accuracy.split()[0], "truncated": truncated.rstrip("%")}
        numbers["mean_tokens"] = length.removeprefix("≥ ")
        numbers["length_change"] = change.partition(" %")[0].replace("−", "-").removeprefix("+")
        numbers |= {"reflective": share, "reflection_keywords": keywords}
        shown |= {(label, metric): value for metric, value in numbers.items()}
    assert len(rows) == lines
    assert shown == cells


@pytest.mark.parametrize("demo", ["demo", "demo_real"])
def test_every_published_number_of_a_demo_is_of_one_line_of_its_table(config, demo):
    cells = Published(FOLDER.with_name(demo)).cells
    lines = Experiment(read_values(ROOT / "config" / f"{demo}.yaml"), config).lines[demo]
    assert list(dict.fromkeys(cells["label"])) == [line.recipe for line in lines]
    for cell in cells.itertuples():
        fitting = [line for line in lines if line.method == cell.method and fits(line.hyper_parameters, cell.setting)]
        assert [line.recipe for line in fitting] == [cell.label]


@pytest.mark.parametrize("demo", ["demo", "demo_real"])
def test_the_demos_numbers_agree_with_each_other(demo):
    assert find_all(Published(FOLDER.with_name(demo))) == []
