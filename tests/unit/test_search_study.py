"""Studies of the kind search: what is refused before anything runs, their rounds, and their plan."""

from pathlib import Path

import pytest
from support import ROOT

from l2s.config import read_entry, read_yaml, validate
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.studies.search import SPACE, SearchStudy
from l2s.experiment.sweeps import listed
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates
from l2s.plan.searches import planned_rounds, search_notes, searches_table
from l2s.search.proposals import grid_size
from l2s.search.space import check, normalised
from l2s.search.split import REPORT


def study(**keys):
    values = read_yaml(ROOT / "config/studies/demo_search.yaml")
    return validate(SearchStudy, {**values, **keys}, "study")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    config = read_yaml(ROOT / "config/demo_search.yaml")
    return Experiment({**config, "results": str(tmp_path_factory.mktemp("results"))}, ROOT / "config")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"allowed_loss": 0.5}, "with 300 questions to report on, a loss of 0.5 points cannot be shown"),
        ({"recipes": [{"method": "ties", "scale": [0.5, 3.0]}]}, "recipe 1: .*less than or equal to 2"),
        ({"recipes": ["demo-dpo"]}, "recipe 1: .*unknown method 'dpo'"),
        ({"pair": "32b-qwen-r1-qwq"}, "needs a quick and one slow model"),
        ({"brief": "nothing"}, "'nothing' is unknown"),
    ],
)
def test_a_search_that_cannot_work_is_refused_before_anything_runs(experiment, keys, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=message):
        study(**keys).build("config/studies/mine.yaml", experiment.registry)


def test_rounds_without_anything_to_ask_are_refused():
    with pytest.raises(UserError, match="the first of 'rounds' has nothing to keep"):
        study(rounds=[{"questions": 10, "kept": 2}])
    with pytest.raises(UserError, match="round 2 of 'rounds' asks nothing"):
        study(rounds=[{"questions": 10, "proposed": 2}, {"questions": 10}])


def test_the_default_space_is_made_of_good_recipes():
    items = [listed(item, "space") for item in SPACE]
    check(items, "space")
    assert grid_size(items) > 300


def test_a_round_is_a_study_of_its_own_with_paths_of_its_own(experiment, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = normalised({"method": "ties", "scale": 0.9})
    search = experiment.studies["demo_search"]
    round_study = search.round("demo_search", REPORT, [recipe, recipe], experiment.registry)["demo_search~report"]
    lines = [made.line for made in round_study.build("here", experiment.registry)]
    assert [line.method for line in lines] == ["quick", "slow", "ties", "task_arithmetic", "ties"]
    assert {decoding for _, decoding in round_study.compared(lines)} == {"demo~demo_search~report"}
    assert Path(experiment.registry.file("decoding", "demo~demo_search~report")).name == "demo.yaml"


def test_a_plan_counts_new_responses_of_each_round(experiment):
    rounds = list(planned_rounds(experiment.studies["demo_search"], experiment))
    assert [one.name for one in rounds] == ["1", "2", "3", "4", REPORT]
    assert [one.questions["demo_arithmetic"] for one in rounds] == [24, 30, 48, 300, 300]
    # New candidates are asked all questions of a round, kept ones those that they have not been asked.
    assert [one.merged["demo_arithmetic"] for one in rounds] == [
        14 * 24,
        10 * 30 + 5 * 6,
        8 * 48 + 5 * 18,
        5 * 252,
        5 * 300,
    ]


def test_a_plan_shows_searches_and_their_lack_of_questions(experiment):
    costs = Costs(experiment, read_entry(ROOT / "config/estimates.yaml", Estimates))
    table = searches_table(experiment, costs)
    assert table.row_count == 6
    (note,) = search_notes(experiment)
    assert note.startswith("demo_search: with 300 questions to report on, a loss of 1 points will rarely be shown")
