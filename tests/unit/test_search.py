"""The search: its split of the questions, its proposals, its verdict, and what it says before anything runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import ROOT

from l2s.analysis.paired import SHOWN, difference, verdict
from l2s.config import read_entry, read_yaml, validate
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError
from l2s.experiment import Experiment
from l2s.experiment.studies.search import SPACE, SearchStudy
from l2s.experiment.sweeps import listed
from l2s.plan.costs import Costs
from l2s.plan.estimates import Estimates
from l2s.plan.searches import planned_rounds, search_notes, searches_table
from l2s.search.candidates import KEPT, PLAIN, PROPOSED, Candidate
from l2s.search.measures import Measure, Measured
from l2s.search.proposals import Settings, finalists, grid_size, propose, trials_of
from l2s.search.sizing import bound, least_questions, sizing, too_few
from l2s.search.space import check, find, identity, normalised, spelled_out
from l2s.search.split import REPORT, part_of
from l2s.search.standing import Round, Standing, front, ranked
from l2s.search.verdict import best_by_benchmark, judge

ITEMS = [
    {"method": "task_arithmetic", "scale": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]},
    {"method": "ties", "keep_fraction": [0.1, 0.2, 0.4], "scale": [0.6, 0.8, 1.0]},
]
SETTINGS = Settings(ITEMS, [{"method": "task_arithmetic", "scale": 0.7}], seed=3, allowed_loss=1.0)


def questions(texts, benchmark="mine"):
    rows = [
        {"benchmark": benchmark, "question_id": str(number), "question": text, "gold": "1", "level": None}
        for number, text in enumerate(texts)
    ]
    return table_of(rows, QUESTIONS)


def texts_of(table):
    return set(table["question"].to_pylist())


@pytest.fixture(scope="module")
def many():
    return questions([f"question {number}" for number in range(400)])


def test_selection_and_report_share_no_question_and_together_have_all(many):
    selection, report = (part_of(many, 0, 0.5, name, None) for name in ("3", REPORT))
    assert not texts_of(selection) & texts_of(report)
    assert texts_of(selection) | texts_of(report) == texts_of(many)
    assert 150 < len(report) < 250


def test_a_question_that_is_in_two_benchmarks_falls_on_one_side(many):
    other = questions(["question 7 ", *[f"other {number}" for number in range(50)], " question  9"], "other")
    for name in ("1", REPORT):
        part = {" ".join(text.split()) for text in texts_of(part_of(other, 0, 0.5, name, None))}
        assert part & texts_of(many) == texts_of(part_of(many, 0, 0.5, name, None)) & {"question 7", "question 9"}


def test_a_later_round_asks_the_questions_of_an_earlier_one_and_more(many):
    rounds = [texts_of(part_of(many, 0, 0.5, "1", count)) for count in (10, 50, None)]
    assert rounds[0] < rounds[1] < rounds[2]
    assert [len(one) for one in rounds[:2]] == [10, 50]


def test_added_questions_move_no_other_question(many):
    more = questions([f"question {number}" for number in range(500)])
    before, after = (texts_of(part_of(table, 0, 0.5, REPORT, None)) for table in (many, more))
    assert after & texts_of(many) == before


def test_another_seed_splits_otherwise(many):
    assert texts_of(part_of(many, 0, 0.5, REPORT, None)) != texts_of(part_of(many, 1, 0.5, REPORT, None))


def test_a_side_without_questions_is_a_mistake_that_is_named():
    with pytest.raises(UserError, match="none of the 1 questions falls to the"):
        for name in ("1", REPORT):
            part_of(questions(["alone"]), 0, 0.5, name, None)


def test_the_bound_of_the_sizing_is_that_of_the_comparisons():
    differences = np.array([1.0] * 9 + [-1.0] * 9 + [0.0] * 282)
    assert bound(300, 18 / 300) == pytest.approx(-difference(differences).bounds.low)


def test_the_least_number_of_questions_is_the_first_that_equal_answers_show_the_loss_with():
    least = least_questions(1.0)
    shown = [verdict(difference(np.zeros(count)).bounds, 0.01) == SHOWN for count in (least - 1, least)]
    assert shown == [False, True]


def test_too_few_questions_are_said_with_what_would_do():
    said = too_few(200, 1.0, 0.04)
    assert said.startswith("with 200 questions to report on, a loss of 1 points cannot be shown, however equal")
    wanted = sizing(200, 1.0, 0.04).wanted
    assert 2400 < wanted < 2700
    assert too_few(wanted, 1.0, 0.04) is None
    allowed = float(said.split("or allow ")[1].split(" ")[0])
    assert too_few(200, allowed, 0.04) is None
    assert "disagree on 4.0% of the questions" in said


def standing(candidate, loss, length, verdict="not shown"):
    name = identity(candidate.recipe)
    return Standing(candidate, name, name, loss, loss + 0.01, length, verdict, 1000)


def played(candidates, name="1"):
    """Judge candidates as if shorter meant less accurate below a scale of 0.6."""
    stands = []
    for one in candidates:
        scale = one.recipe["scale"]
        loss = max(0.0, 0.6 - scale)
        stands.append(standing(one, loss, scale - 1, "refuted" if loss > 0.3 else "not shown"))
    return Round(name, 30, stands, 500)


def test_the_same_rounds_give_the_same_proposals():
    first = propose(SETTINGS, [], 6, 0)
    assert propose(SETTINGS, [], 6, 0) == first
    second = propose(SETTINGS, [played(first)], 4, 2)
    assert propose(SETTINGS, [played(first)], 4, 2) == second
    assert propose(SETTINGS._replace(seed=4), [], 6, 0) != first


def test_no_recipe_is_proposed_twice_and_all_are_in_the_space():
    rounds = []
    for number in range(3):
        rounds.append(played(propose(SETTINGS, rounds, 5, 0), str(number)))
    recipes = [one.candidate.recipe for played_round in rounds for one in played_round.standings]
    assert len({identity(recipe) for recipe in recipes}) == len(recipes) == 15
    assert all(find(recipe, ITEMS) for recipe in recipes)


def test_a_space_that_is_used_up_gives_what_it_has():
    small = SETTINGS._replace(items=[{"method": "ties", "scale": [0.5, 1.0]}], plain=[])
    assert grid_size(small.items) == 2
    assert len(propose(small, [], 10, 0)) == 2


def test_the_first_round_tries_the_plain_recipes_first():
    first = propose(SETTINGS, [], 3, 0)
    assert [one.origin for one in first] == [PLAIN, PROPOSED, PROPOSED]
    assert first[0].recipe == normalised({"method": "task_arithmetic", "scale": 0.7})
    assert first[0].picks == {"scale": 6}  # so that Optuna is told of it


def test_a_round_keeps_the_best_and_nothing_that_is_refuted():
    candidates = [Candidate(recipe=normalised({"method": "ties", "scale": scale}), origin=PROPOSED) for scale in
                  (0.1, 0.55, 0.6, 0.8, 1.0)]  # fmt: skip
    kept = propose(SETTINGS, [played(candidates)], 0, 4)
    assert [one.recipe["scale"] for one in kept] == [0.6, 0.8, 1.0, 0.55]
    assert {one.origin for one in kept} == {KEPT}


def test_optuna_is_told_of_every_candidate_of_the_space():
    first = played(propose(SETTINGS, [], 6, 0))
    lines = list(map(json.loads, trials_of(SETTINGS, [first]).splitlines()))
    assert [line["recipe"] for line in lines] == [one.candidate.recipe for one in first.standings]
    assert [line["constraints"]["loss"] for line in lines] == [one.loss - 0.01 for one in first.standings]


def test_finalists_are_tested_from_the_one_that_lost_least():
    candidates = [Candidate(recipe=normalised({"method": "ties", "scale": scale}), origin=PROPOSED) for scale in
                  (0.3, 0.595, 0.6, 0.65, 0.9)]  # fmt: skip
    chosen = finalists(SETTINGS, played(candidates), 3)
    assert [one.recipe["scale"] for one in chosen] == [0.6, 0.595]  # 0.65 is longer and no better


def test_ranking_and_front_go_by_loss_and_length():
    one, other, third = (
        standing(Candidate(recipe={"method": "ties", "scale": scale}, origin=PROPOSED), loss, length)
        for scale, loss, length in ((0.5, 0.0, -0.3), (0.6, 0.02, -0.5), (0.7, 0.02, -0.2))
    )
    assert ranked([third, other, one], 1.0) == [one, other, third]
    assert front([third, other, one]) == [other, one]


def test_a_recipe_with_scales_by_tensor_is_named_by_its_numbers():
    scale = {"model.layers.*.mlp.*": 0.8, "model.layers.{0-9}.*": 0.5, "*": 0.7}
    assert spelled_out("ties, scale by tensor", {"scale": scale}) == "ties, scale mlp 0.8, layers 0-9 0.5, others 0.7"


def measure(loss, tokens, verdict):
    change = tokens / 100 - 1
    return Measure(
        accuracy=1 - loss, tokens=tokens, loss=loss, loss_bound=loss + 0.005, length_change=change,
        length_change_low=change - 0.03, length_change_high=change + 0.03, verdict=verdict,
    )  # fmt: skip


def judged(finalist_verdicts, others=()):
    """Judge finalists of 60, 50, 40 … tokens beside what else was asked."""
    candidates = [
        Candidate(recipe=normalised({"method": "ties", "scale": 1 - number / 10}), origin="finalist")
        for number in range(len(finalist_verdicts))
    ]
    stands = [standing(one, 0.0, -0.4 - number / 10) for number, one in enumerate(candidates)]
    measured = [
        Measured(
            name=f"finalist {number}", kind="finalist", searched=True, checkpoint=stand.checkpoint,
            overall=measure(0.0, 60 - 10 * number, found), benchmarks={},
        )
        for number, (stand, found) in enumerate(zip(stands, finalist_verdicts, strict=True))
    ]  # fmt: skip
    report = Round(REPORT, 300, stands, 500)
    return judge("Mine", 1.0, [played(candidates)], report, [*measured, *others])


def cheap(name, loss, tokens, verdict):
    overall = measure(loss, tokens, verdict)
    return Measured(name=name, kind="budget", searched=False, checkpoint="models/slow", overall=overall, benchmarks={})


def test_the_result_is_the_last_finalist_before_the_first_that_is_not_shown():
    found = judged(["shown", "shown", "not shown", "shown"])
    assert found.found.recipe["scale"] == 0.9
    assert found.sentence == "shown: at most 0.5 points worse, 50 % shorter [47, 53]"


def test_nothing_is_found_if_the_first_finalist_is_not_shown():
    found = judged(["not shown", "shown"])
    assert found.found is None
    assert found.sentence.startswith("not shown that no more than 1 points are lost: of finalist 0")


def test_without_finalists_the_verdict_says_so():
    assert judged([]).sentence.endswith("every candidate was refuted before the report")


def test_something_cheaper_wins_if_it_is_shown_and_no_longer():
    beaten = cheap("the slow model, cut at 70 tokens", 0.0, 70, "shown")
    winner = cheap("the slow model, cut at 45 tokens", 0.0, 45, "shown")
    worse = cheap("the slow model, cut at 9 tokens", 0.3, 9, "refuted")
    assert judged(["shown", "shown"], [beaten, worse]).cheaper is None
    assert judged(["shown", "shown"], [beaten, worse, winner]).cheaper.startswith("the slow model, cut at 45 tokens")
    assert "though nothing that was searched is" in judged(["refuted"], [beaten]).cheaper


def test_progress_counts_tokens_of_questions_asked_again_once():
    points = judged(["shown"]).progress
    assert [one.tokens for one in points] == [500 + 1000]


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
    assert [one.name for one in rounds] == ["1", "2", "3", REPORT]
    assert [one.questions["demo_arithmetic"] for one in rounds] == [30, 60, 300, 300]
    # New candidates are asked all questions of a round, kept ones those that they have not been asked.
    assert [one.merged["demo_arithmetic"] for one in rounds] == [300, 6 * 60 + 4 * 30, 4 * 240, 5 * 300]


def test_a_plan_shows_searches_and_their_lack_of_questions(experiment):
    costs = Costs(experiment, read_entry(ROOT / "config/estimates.yaml", Estimates))
    table = searches_table(experiment, costs)
    assert table.row_count == 5
    (note,) = search_notes(experiment)
    assert note.startswith("demo_search: with 300 questions to report on, a loss of 1 points will rarely be shown")


def test_of_several_benchmarks_the_shortest_merge_of_each_is_named():
    def merge(name, tokens, verdicts):
        parts = {key: measure(0.0, tokens, found) for key, found in zip(("one", "other"), verdicts, strict=True)}
        return Measured(
            name=name, kind="finalist", searched=True, checkpoint=name, overall=measure(0.0, tokens, "shown"),
            benchmarks=parts,
        )  # fmt: skip

    result, shorter = merge("result", 60, ["shown", "shown"]), merge("shorter", 40, ["not shown", "shown"])
    words = best_by_benchmark(result, [result, shorter])
    assert words["one"].startswith("the result itself: 40 % shorter")
    assert words["other"].startswith("shorter: 60 % shorter")
    assert "; the result: 40 % shorter" in words["other"]
