"""The search: its split of the questions, its proposals, and how many questions it takes."""

import json

import numpy as np
import pytest
from search_rounds import played, standing

from l2s.analysis.paired import SHOWN, difference, verdict
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError
from l2s.search.candidates import BESIDE, KEPT, PLAIN, PROPOSED, Candidate
from l2s.search.proposals import Settings, finalists, grid_size, propose, trials_of
from l2s.search.sizing import bound, least_questions, sizing, too_few
from l2s.search.space import find, identity, normalised
from l2s.search.split import REPORT, part_of
from l2s.search.standing import front, ranked

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


def test_half_of_what_is_new_lies_one_step_from_the_best():
    items = [{"method": "task_arithmetic", "scale": [step / 100 for step in range(10, 101)]}]
    settings = SETTINGS._replace(items=items, plain=[])
    tried = [{"method": "task_arithmetic", "scale": scale} for scale in (0.65, 0.8)]
    first = played(
        [
            Candidate(recipe=normalised(recipe), origin=PROPOSED, item=0, picks=find(recipe, items)[1])
            for recipe in tried
        ]
    )
    new = propose(settings, [first], 6, 0)
    assert [one.recipe["scale"] for one in new if one.origin == BESIDE] == [0.64, 0.66, 0.79]
    assert len([one for one in new if one.origin == PROPOSED]) == 3


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
