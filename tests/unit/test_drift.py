"""Drift: what a new run may differ by from a stored one, and what the check says."""

import re

import pytest
import yaml
from tables import NONE, read, tables

import check_drift
from l2s.analysis.comparisons import compare_lines
from l2s.analysis.drift import Tolerances, broken
from l2s.analysis.spec import Spec
from l2s.analysis.table import Row, make_table
from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError

RIGHT = ["correct"] * 4


@pytest.fixture
def run(tmp_path):
    """run(stored, new) -> (table, comparisons); stored and new are keywords of ``tables``."""

    def of(stored, new):
        files, read_back = {}, {}
        for name, given in (("stored", stored), ("new", new)):
            responses, grades = read(tables(**{"outcomes": RIGHT, "lengths": [10] * 4, **given}))
            read_back[name] = responses, grades
            write_table(responses, tmp_path / f"{name}.parquet")
            write_table(grades["math_verify"], tmp_path / f"{name}-grades.parquet")
            paths = {"math_verify": str(tmp_path / f"{name}-grades.parquet")}
            files[name] = {"responses": str(tmp_path / f"{name}.parquet"), "grades": paths}
        filler = {"benchmark": "b", "question": "Why?", "gold": "1", "level": None}
        asked = [{**filler, "question_id": str(number)} for number in range(4)]
        write_table(table_of(asked, QUESTIONS), tmp_path / "questions.parquet")
        rows = [Row(pair="p", method="m", recipe=n, checkpoint=n, reference="stored") for n in ("stored", "new")]
        spec = Spec(
            study="s", title="T", reference="stored", benchmarks=("b",), rows=tuple(rows), checkpoints=files,
            questions=(str(tmp_path / "questions.parquet"),),
        )  # fmt: skip
        return make_table("s", rows, ["b"], read_back), compare_lines(spec)

    return of


@pytest.mark.parametrize(
    ("stored", "new", "tolerances", "says"),
    [
        ({}, {"outcomes": ["wrong", *RIGHT[1:]]}, {"accuracy": 24}, r"new, b: accuracy is 25\.0 points lower \[.*24"),
        ({}, {"lengths": [12] * 4}, {"length": 19}, r"mean length changes by \+20\.0 %; allowed are 19 %"),
        ({}, {"lengths": [8] * 4}, {"length": 19}, r"mean length changes by -20\.0 %"),
        ({}, {"text": "Wait"}, {"reflection": 99}, r"reflective responses change by \+100\.0 points"),
        ({"text": "Wait"}, {}, {"reflection": 99}, r"reflective responses change by -100\.0 points"),
        ({}, {"finish": "length"}, {"truncation": 99}, r"truncated responses rise by 100\.0 points"),
        ({"text": "2 + 3 = 5, 5 + 2 = 7"}, {"text": "5"}, {"key_points": 0.6}, r"0\.50 of the key points are kept"),
    ],
)
def test_a_broken_tolerance_is_named_and_a_wider_one_is_not(run, stored, new, tolerances, says):
    found = run(stored, new)
    (sentence,) = broken(Tolerances(**tolerances), *found)
    assert re.search(says, sentence), sentence
    ((key, value),) = tolerances.items()
    wider = {key: 0.5 if key == "key_points" else value + 1}
    assert list(broken(Tolerances(**wider), *found)) == []


@pytest.mark.parametrize(("lengths", "allowed"), [([11] * 4, 10), ([9] * 4, 10), ([14] * 4, 40)])
def test_a_change_of_just_what_is_allowed_is_within_the_tolerance(run, lengths, allowed):
    found = run({}, {"lengths": lengths})
    assert list(broken(Tolerances(length=allowed), *found)) == []
    assert len(list(broken(Tolerances(length=allowed - 0.001), *found))) == 1


@pytest.mark.parametrize(
    ("stored", "new", "tolerances"),
    [
        ({"outcomes": ["wrong"] * 4}, {}, {"accuracy": 0}),
        ({"finish": "length"}, {}, {"truncation": 0}),
    ],
)
def test_a_gain_is_within_a_tolerance_of_nothing(run, stored, new, tolerances):
    assert list(broken(Tolerances(**tolerances), *run(stored, new))) == []


@pytest.mark.parametrize(
    ("stored", "new", "tolerances", "says"),
    [
        ({"finish": "unknown"}, {}, {"truncation": 5}, "does not say how they ended"),
        ({}, {"finish": "unknown"}, {"truncation": 5}, "does not say how they ended"),
        ({"outcomes": ["wrong"] * 4}, {}, {"key_points": 0.1}, "key points kept is not known"),
        ({"lengths": [0] * 4}, {}, {"length": 5}, "mean length is not known"),
    ],
)
def test_a_tolerance_that_cannot_be_checked_is_not_passed(run, stored, new, tolerances, says):
    found = run(stored, new)
    (sentence,) = broken(Tolerances(**tolerances), *found)
    assert says in sentence
    assert list(broken(Tolerances(reflection=0), *found)) == []


def test_the_check_fails_with_every_broken_tolerance_and_writes_only_when_there_is_none(run, tmp_path):
    table, comparisons = run({}, {"lengths": [20] * 4, "finish": "length"})
    write_table(table, tmp_path / "t.parquet")
    write_table(comparisons, tmp_path / "c.parquet")
    (tmp_path / "w.yaml").write_text(yaml.safe_dump({"length": 1, "truncation": 1}))
    given = (tmp_path / "t.parquet", tmp_path / "c.parquet")
    with pytest.raises(
        UserError,
        match=r"^2 tolerances are broken [^\\]*\(1\) .*length changes.* \(2\) .*truncated responses rise[^\\]*$",
    ):
        check_drift.main(*given, check_drift.read_tolerances(str(tmp_path / "w.yaml")), tmp_path / "drift.txt")
    assert not (tmp_path / "drift.txt").exists()
    check_drift.main(*given, Tolerances(length=100, truncation=100), tmp_path / "drift.txt")
    assert "within all tolerances: length 100, truncation 100" in (tmp_path / "drift.txt").read_text()


def test_a_check_of_nothing_is_refused(run, tmp_path):
    (tmp_path / "t.yaml").write_text("{}")
    with pytest.raises(UserError, match="no tolerance is given; name at least one of accuracy, length"):
        check_drift.read_tolerances(str(tmp_path / "t.yaml"))
    table, _ = run({}, {})
    with pytest.raises(UserError, match="no line is compared with the stored run"):
        list(broken(Tolerances(accuracy=1), table, NONE))
