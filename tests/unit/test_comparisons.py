"""Each line is compared with its reference and with the best of its pair, question by question."""

import pyarrow as pa
import pytest
from tables import read, tables

from l2s.analysis.comparisons import compare_lines
from l2s.analysis.disagreements import disagreements
from l2s.analysis.disagreements import display_frame as shown_disagreements
from l2s.analysis.marks import ALIKE_MARK, BEST_MARK, Marks
from l2s.analysis.render_table import display_frame
from l2s.analysis.spec import Spec
from l2s.analysis.table import make_table
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.disagreements import DISAGREEMENTS
from l2s.contracts.parquet import table_of, write_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.table import MEAN
from l2s.errors import UserError

STEPS = "So 3 + 4 = 7, then 7 * 2 = 14 and 14 - 3 = 11. \\boxed{11}"
SHORT = "14 - 3 = 11. \\boxed{11}"


@pytest.fixture
def make_spec(tmp_path):
    """A study of checkpoints given as {name: (responses, {grader: grades})}; the first one is the reference."""

    def make(graded, benchmarks=("b",), **keys):
        checkpoints = {}
        for name, (responses, grades) in graded.items():
            files = {"responses": str(tmp_path / f"{name}.parquet"), "grades": {}}
            write_table(responses, tmp_path / f"{name}.parquet")
            for grader, table in grades.items():
                files["grades"][grader] = str(tmp_path / f"{name}-{grader}.parquet")
                write_table(table, tmp_path / f"{name}-{grader}.parquet")
            checkpoints[name] = files
        reference = next(iter(graded))
        rows = [{"pair": "p", "method": n, "recipe": n, "checkpoint": n, "reference": reference} for n in graded]
        fixed = {"study": "s", "title": "S", "reference": reference, "benchmarks": benchmarks}
        return Spec.model_validate({**fixed, "rows": rows, "checkpoints": checkpoints, **keys})

    return make


def line_of(comparisons, **keys):
    (line,) = [line for line in comparisons.to_pylist() if all(line[key] == value for key, value in keys.items())]
    return line


def test_a_merge_is_compared_with_its_reference(make_spec):
    slow = read(tables(["correct"] * 8 + ["wrong"] * 2, [100] * 10))
    merge = read(tables(["correct"] * 6 + ["wrong"] * 3 + ["correct"], [50] * 10))
    comparisons = compare_lines(make_spec({"slow": slow, "merge": merge}))
    assert comparisons.schema.equals(COMPARISONS)
    line = line_of(comparisons, against_is="reference")
    assert (line["checkpoint"], line["against"], line["questions"]) == ("merge", "slow", 10)
    assert line["accuracy_difference"] == pytest.approx(-0.1)
    assert line["p_value"] == line["p_holm"] == 1.0, "two questions lost, one won"
    assert (line["verdict"], line["both_right"]) == ("not shown", 6)
    assert line["length_change"] == line["length_change_both_right"] == -0.5
    assert line["loss_bound"] > 0.1


def test_only_right_samples_count_for_the_length_on_questions_that_both_got_right(make_spec):
    slow = read(tables(["correct", "wrong"], [100, 900]))
    merge = read(tables(["correct", "correct"], [20, 30]))
    line = line_of(compare_lines(make_spec({"slow": slow, "merge": merge})), against_is="reference")
    assert line["length_change_both_right"] == pytest.approx(20 / 100 - 1)
    assert line["length_change"] == pytest.approx(50 / 1000 - 1)


def test_the_best_is_the_shortest_of_the_most_accurate(make_spec):
    right = ["correct"] * 40
    graded = {
        "slow": read(tables(right, [100] * 40)),
        "merge": read(tables(right, [50] * 40)),
        "quick": read(tables(["wrong"] * 40, [5] * 40)),
    }
    spec = make_spec(graded)
    comparisons = compare_lines(spec)
    assert {line["against"] for line in comparisons.to_pylist() if line["against_is"] == "best"} == {"merge"}
    table = make_table("s", spec.rows, ["b"], graded)
    cells = display_frame(table, comparisons)["Accuracy %"].tolist()
    assert cells[0].endswith(ALIKE_MARK) and cells[1].endswith(BEST_MARK) and cells[2].endswith("]")
    assert "b has 40 questions: differences below about" in " ".join(Marks(comparisons).sentences())


def test_several_benchmarks_have_a_mean_and_two_families_of_tests(make_spec):
    slow = read(tables(["correct"] * 4, [10] * 4), tables(["wrong"] * 20, [10] * 20, benchmark="c"))
    merge = read(tables(["wrong"] * 4, [5] * 4), tables(["correct"] * 20, [20] * 20, benchmark="c"))
    comparisons = compare_lines(make_spec({"slow": slow, "merge": merge}, ("b", "c")))
    b, c, mean = (line_of(comparisons, against_is="reference", benchmark=name) for name in ("b", "c", MEAN))
    assert mean["accuracy_difference"] == pytest.approx(0.0)
    assert (mean["questions"], mean["length_change"]) == (24, pytest.approx((-0.5 + 1.0) / 2))
    assert (b["p_holm"], mean["p_holm"]) == (b["p_value"], mean["p_value"])
    assert c["p_holm"] == 2 * c["p_value"]


def test_key_points_are_those_of_the_slow_response_where_both_are_right(make_spec, tmp_path):
    slow = read(tables(["correct", "correct"], [30, 30], STEPS))
    merge = read(tables(["correct", "wrong"], [10, 10], SHORT))
    questions = [
        {"benchmark": "b", "question_id": name, "question": "3 + 4, doubled, minus 3?", "gold": "11", "level": None}
        for name in "01"
    ]
    rows = [{key: row.get(key) for key in QUESTIONS.names} for row in questions]
    write_table(table_of(rows, QUESTIONS), tmp_path / "q.parquet")
    spec = make_spec({"slow": slow, "merge": merge}, questions=(str(tmp_path / "q.parquet"),))
    line = line_of(compare_lines(spec), against_is="reference")
    assert line["key_points_kept"] == pytest.approx(1 / 2), "7 and 14 are results, 11 is the answer"


def test_checkpoints_that_answered_other_questions_are_not_compared(make_spec):
    spec = make_spec({"slow": read(tables(["correct"] * 3, [1] * 3)), "merge": read(tables(["correct"] * 2, [1] * 2))})
    with pytest.raises(UserError, match="merge and slow did not answer the same questions of 'b'"):
        compare_lines(spec)


def test_failures_of_a_grader_are_listed_and_other_studies_benchmarks_are_not():
    outcomes = {"math_verify": ["wrong", "error"], "toolkit": ["timeout", "correct"]}
    grades = {
        name: pa.concat_tables(read(tables(found, [1] * 2, benchmark=b))[1]["math_verify"] for b in ("b", "c"))
        for name, found in outcomes.items()
    }
    table = disagreements({"m": grades}, ["c"])
    assert list(zip(*table.select(["benchmark", "question_id"]).to_pydict().values(), strict=True)) == [
        ("c", "0"), ("c", "1")
    ]  # fmt: skip


def test_disagreements_are_right_for_one_grader_and_not_for_the_other():
    parts = {
        "math_verify": ["correct", "correct", "wrong", "timeout"],
        "toolkit": ["correct", "wrong", "no_answer", "correct"],
    }
    grades = {name: read(tables(outcomes, [1] * 4))[1]["math_verify"] for name, outcomes in parts.items()}
    table = disagreements({"m": grades})
    assert table.schema.equals(DISAGREEMENTS)
    assert table["question_id"].to_pylist() == ["1", "3"], "two ways of not being right are no disagreement"
    assert shown_disagreements(table)["Second grader"].tolist() == ["toolkit wrong: 1", "toolkit correct: 1"]
