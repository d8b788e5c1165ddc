"""The paper's studies have the rows and columns of its tables, whose numbers are in config/published/paper."""

import pandas as pd
import pytest
import yaml
from support import ROOT

from l2s.experiment import Experiment

STUDY_OF_TABLE = {**{str(number): f"table_{number}" for number in range(1, 7)}, "readme": "qwen3_8b"}
METRICS = {
    "length": {"accuracy", "mean_tokens"},
    "reflection": {"accuracy", "mean_tokens", "reflective_responses", "reflection_keywords"},
    "reflective": {"reflective"},
}
COMPUTED = {"length_change"}  # in a column of its own


@pytest.fixture(scope="module")
def experiment():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return Experiment(yaml.safe_load((ROOT / "config" / "config.yaml").read_text()), ROOT / "config")


@pytest.fixture(scope="module")
def published():
    return pd.read_csv(ROOT / "config" / "published" / "paper" / "cells.csv", dtype={"table": str})


@pytest.mark.parametrize("table", STUDY_OF_TABLE)
def test_a_studys_rows_are_the_papers(experiment, published, table):
    cells = published[published["table"] == table]
    rows = dict.fromkeys(zip(cells["pair"], cells["method"], strict=True))
    lines = [(line.pair, line.method) for line in experiment.lines[STUDY_OF_TABLE[table]]]
    # The order of rows with several pairs is ours: by pair.
    assert (lines if cells["pair"].nunique() == 1 else sorted(lines)) == (
        list(rows) if cells["pair"].nunique() == 1 else sorted(rows)
    )


@pytest.mark.parametrize("table", STUDY_OF_TABLE)
def test_a_studys_columns_and_cells_are_the_papers(experiment, published, table):
    cells = published[published["table"] == table]
    study = experiment.studies[STUDY_OF_TABLE[table]]
    assert list(study.benchmarks) == [name for name in dict.fromkeys(cells["benchmark"]) if name != "mean"]
    assert set(cells["metric"]) - COMPUTED <= METRICS[study.cell]


# What the text claims and no table shows, or what the paper does not settle, and the studies that measure it.
OTHERS = {
    "figure_1", "figure_1_radar", "figure_2", "alpha_sweep", "calibration_size", "dare_drop_rate", "short_to_long",
    "ta_14b_0.3", "table_6_words", "ties_trim", "sens_variants",
}  # fmt: skip


def test_the_configuration_runs_everything_that_the_paper_reports(experiment):
    assert set(STUDY_OF_TABLE.values()) | OTHERS < set(experiment.studies)


def test_dares_three_ways_are_swept_over_drop_rates_from_a_tenth_to_nine_tenths(experiment):
    rates = {}
    for line in experiment.lines["dare_drop_rate"]:
        if line.hyper_parameters:
            rates.setdefault(line.method, []).append(line.hyper_parameters["drop_rate"])
    assert rates == {name: pytest.approx([n / 10 for n in range(1, 10)]) for name in ("dare", "dare_ta", "dare_ties")}
    table_1 = {line.checkpoint for line in experiment.lines["table_1"] if line.method.startswith("dare")}
    assert len(table_1) == 3
    assert table_1 < {line.checkpoint for line in experiment.lines["dare_drop_rate"]}, "at 0.3 nothing is merged twice"


def test_ties_is_trimmed_in_four_ways_of_which_one_is_the_papers_row(experiment):
    lines = [line for line in experiment.lines["ties_trim"] if line.method == "ties"]
    ways = {(line.hyper_parameters["trim"], line.hyper_parameters["keep_fraction"]) for line in lines}
    assert ways == {("tensor", 0.2), ("tensor", 0.8), ("model", 0.2), ("model", 0.8)}
    assert {line.checkpoint for line in lines} & {line.checkpoint for line in experiment.lines["table_1"]}


def test_the_radar_has_five_lines_the_merges_being_the_most_accurate_of_table_1(experiment, published):
    lines = [line.method for line in experiment.lines["figure_1_radar"]]
    assert len(lines) == 5 and lines[:2] == ["quick", "slow"]
    means = published[(published["table"] == "1") & (published["benchmark"] == "mean")]
    accuracy = means[means["metric"] == "accuracy"].set_index("method")["value"]
    assert set(lines[2:]) == set(accuracy.drop(["quick", "slow", "dpo"]).nlargest(3).index)


def test_table_6_counted_by_words_reads_the_same_responses(experiment):
    assert experiment.compared("table_6_words") == experiment.compared("table_6")
    assert experiment.studies["table_6_words"].reflection != experiment.studies["table_6"].reflection


def test_every_study_of_the_paper_is_graded_as_the_paper_was(experiment):
    graded = {name: study.grader for name, study in experiment.studies.items() if hasattr(study, "grader")}
    assert len(graded) > 20
    assert set(graded.values()) == {"toolkit"}


def test_hyper_parameters_are_those_of_table_7(experiment):
    printed = pd.read_csv(ROOT / "config" / "published" / "paper" / "hyper_parameters.csv")
    names = {"alpha": "scale", "omega": "omega", "T": "temperature", "p": "drop_rate", "k": "keep_fraction"}
    merges = [line for study in ("table_1", "table_2", "table_3", "table_4") for line in experiment.lines[study]]
    compared = 0
    for row in printed[printed["table"].astype(str) == "7"].itertuples():
        for line in merges:
            if (line.pair, line.method) == (row.pair, row.method) and line.hyper_parameters:
                value = 1 - row.value if row.symbol == "k" else row.value
                assert line.hyper_parameters[names[row.symbol]] == pytest.approx(value), (row, line.recipe)
                compared += 1
    assert compared >= 15


def test_every_merge_of_table_2_stands_beside_the_released_one(experiment):
    lines = {name: experiment.lines[name] for name in ("table_2", "table_2_released")}
    merges = {name: [line.recipe for line in lines[name] if line.checkpoint in experiment.merges] for name in lines}
    with_head = [recipe for recipe in merges["table_2_released"] if "fidelity released" not in recipe]
    assert with_head == merges["table_2"]
    assert len(merges["table_2_released"]) == 2 * len(with_head)
