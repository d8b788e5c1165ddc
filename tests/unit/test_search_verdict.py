"""What a search says of its finalists and of what is cheaper."""

from search_rounds import played, standing

from l2s.search.candidates import Candidate
from l2s.search.measures import Measure, Measured
from l2s.search.space import normalised
from l2s.search.split import REPORT
from l2s.search.standing import Round
from l2s.search.verdict import best_by_benchmark, judge, points


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


def test_nothing_lost_has_no_sign():
    assert [points(share) for share in (-0.0, -0.0001, -0.012, 0.0074)] == ["0.0", "0.0", "-1.2", "0.7"]


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
