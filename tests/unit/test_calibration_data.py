"""Calibration data are picked, checked and pinned; sweeps stand for the recipes that they should."""

import json

import pytest

from l2s.config import validate
from l2s.errors import UserError
from l2s.experiment.sweeps import expand
from l2s.sources.calibration_data import CalibrationDataEntry, load_calibration_data

COLUMNS = {"question": {"column": "q"}, "quick": {"column": "short"}, "slow": {"column": "long"}}


@pytest.fixture
def source(tmp_path):
    rows = [{"q": f"{n}+1", "short": str(n + 1), "long": [f"{n}+1={n + 1}", "another try"]} for n in range(20)]
    file = tmp_path / "set.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": str(file)}


def load(source, **changes):
    return load_calibration_data(
        validate(CalibrationDataEntry, {"source": source, **COLUMNS, **changes}, "set.yaml"), "set.yaml"
    )


def test_the_first_samples_are_taken_in_order(source):
    rows = load(source, count=3).to_pylist()
    assert rows == [
        {"row_id": str(n), "question": f"{n}+1", "quick_answer": str(n + 1), "slow_answer": f"{n}+1={n + 1}"}
        for n in range(3)
    ]


def test_a_seed_draws_samples_that_stay_the_same(source):
    drawn = [[row["row_id"] for row in load(source, count=8, seed=seed).to_pylist()] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0], key=int)
    assert len(set(drawn[0])) == 8


def test_a_digest_pins_the_samples(source, capsys, caplog):
    load(source, count=3)
    digest = capsys.readouterr().out.split()[-1]
    (warning,) = caplog.messages
    assert "set.yaml" in warning and "UNPINNED" in warning and f"the line 'sha256: {digest}'" in warning
    load(source, count=3, sha256=digest)
    assert len(caplog.messages) == 1
    with pytest.raises(UserError, match=r"set.yaml .*: the sha256 of the rows is .* are not the pinned ones"):
        load(source, count=4, sha256=digest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 21}, r"set.yaml .*: has 20 rows, 'count' asks for 21; ask for fewer"),
        ({"count": 5, "slow": {"column": "lon"}}, r"row 1: there is no column 'lon'; did you mean 'long'"),
        ({"texts": {"quick": "{answer} {question}"}}, r"key 'texts': 'quick' must hold {question} once and end in"),
        ({"cuont": 3}, r"unknown key 'cuont'; did you mean 'count'"),
    ],
)
def test_mistakes_are_told(source, changes, message):
    with pytest.raises(UserError, match=message):
        load(source, **changes)


def test_lists_and_ranges_stand_for_each_of_their_values():
    assert expand({"method": "ties", "scale": 1.0}, "w") == [{"method": "ties", "scale": 1.0}]
    swept = expand({"method": "ties", "keep_fraction": [0.1, 0.2], "scale": [0.5, 1.0]}, "w")
    assert [(r["keep_fraction"], r["scale"]) for r in swept] == [(0.1, 0.5), (0.1, 1.0), (0.2, 0.5), (0.2, 1.0)]
    ranged = expand({"method": "aim", "of": {"method": "ties", "scale": {"from": 0.1, "to": 0.3, "step": 0.1}}}, "w")
    assert [recipe["of"]["scale"] for recipe in ranged] == [0.1, 0.2, 0.3]
    by_tensor = {"method": "ties", "scale": {"*.mlp.*": 0.5, "*": [0.1, 0.2]}}
    assert [recipe["scale"]["*"] for recipe in expand(by_tensor, "w")] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ([], "w: an empty list stands for no recipe"),
        ({"from": 0.5, "to": 0.1, "step": 0.1}, "w: a range needs 'from' <= 'to'"),
        ({"from": 0.1, "to": 0.5, "step": 0}, "w: a range needs"),
        ({"from": "a", "to": 0.5, "step": 0.1}, "w: key 'from' of a range must be a finite number"),
        ({"from": 0.1, "to": 0.9}, "w: a range needs 'from', 'to' and 'step'; add 'step'"),
        ({"step": 0.1}, "w: a range needs 'from', 'to' and 'step'; add 'from'"),
        ({"from": 0.1, "to": float("inf"), "step": 0.1}, r"w: key 'to' of a range must be a finite number \(found inf"),
        ({"from": 0.1, "to": 0.9, "step": float("nan")}, "w: key 'step' of a range must be a finite number"),
        ({"from": 0.1, "to": 0.2, "step": 1e-8}, "w: a range has 100 values at most; give a larger 'step'"),
        ({"from": 0.1, "to": 2, "step": 1e-300}, "w: a range has 100 values at most"),
    ],
)
def test_wrong_sweeps_are_told(scale, message):
    with pytest.raises(UserError, match=message):
        expand({"method": "task_arithmetic", "scale": scale}, "w")
