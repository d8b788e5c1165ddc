"""What changed between two decodings is counted, benchmark by benchmark."""

import pytest
from tables import read, tables

import measure_noise
from l2s.analysis.noise import compare, display_frame
from l2s.contracts.grades import GRADES
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.contracts.responses import RESPONSES
from l2s.errors import UserError


def decoded(outcomes, ids):
    responses, grades = tables(outcomes, [len(each) for each in ids])
    for row, each in zip(responses, ids, strict=True):
        row["output_ids"] = each
    answered, graded = read((responses, grades))
    return answered, graded["math_verify"]


def test_changed_responses_lengths_and_grades_are_counted():
    first = decoded(["correct", "correct", "wrong", "correct"], [[1, 2, 3], [1, 2], [5], [7, 8]])
    again = decoded(["correct", "wrong", "correct", "correct"], [[1, 2, 3], [1, 9], [5, 6], [7, 8]])
    noise = compare({("m", "a"): first, ("m", "b"): again})
    assert noise.schema.equals(NOISE)
    (line,) = noise.to_pylist()
    assert (line["first"], line["again"], line["responses"]) == ("a", "b", 4)
    assert (line["changed_responses"], line["changed_lengths"], line["changed_grades"]) == (2, 1, 2)
    assert line["first_difference"] == 1
    assert line["accuracy_difference"] == 0
    assert line["length_difference"] == pytest.approx(9 / 8 - 1)


def test_nothing_changed_is_said_as_such():
    same = decoded(["correct"], [[1, 2]])
    noise = compare({("m", "a"): same, ("m", "b"): same})
    (line,) = noise.to_pylist()
    assert (line["changed_responses"], line["first_difference"], line["length_difference"]) == (0, None, 0)
    assert display_frame(noise).iloc[0]["First differing token"] == ""


def test_other_questions_are_an_error():
    with pytest.raises(UserError, match="'a' and 'b' did not answer the same questions"):
        compare({("m", "a"): decoded(["correct"], [[1]]), ("m", "b"): decoded(["correct", "wrong"], [[1], [2]])})


def test_benchmarks_that_another_study_asked_with_one_of_the_settings_do_not_count(tmp_path):
    def files(name, *benchmarks):
        parts = [decoded(["correct", "wrong"], [[1, 2], [3]]) for _ in benchmarks]
        for kind, schema, place in (("responses", RESPONSES, 0), ("grades", GRADES, 1)):
            rows = [
                {**row, "benchmark": b}
                for b, part in zip(benchmarks, parts, strict=True)
                for row in part[place].to_pylist()
            ]
            write_table(table_of(rows, schema), tmp_path / f"{name}-{kind}.parquet")
        return tmp_path / f"{name}-responses.parquet", tmp_path / f"{name}-grades.parquet"

    responses, grades = zip(files("first", "b", "other"), files("again", "b"), strict=True)
    measure_noise.main(list(responses), list(grades), tmp_path / "noise", benchmark=["b"])
    (line,) = read_table(tmp_path / "noise.parquet", NOISE).to_pylist()
    assert (line["benchmark"], line["responses"], line["changed_responses"]) == ("b", 2, 0)
