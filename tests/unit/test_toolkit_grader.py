"""The toolkit's rules: normalisation step by step, golds of the real benchmarks, places of answers, poisoned input."""

import json
import time

import pytest
from support import ROOT

from l2s.config import read_entry
from l2s.grading.contract import Case, Outcome
from l2s.grading.grade_cases import grade_cases
from l2s.grading.graders import math_verify, toolkit
from l2s.grading.toolkit_rules.normalisation import normalised
from l2s.grading.workers import Limits
from l2s.sources.benchmarks import BenchmarkEntry, load_questions

IMPATIENT = Limits(seconds=4.0, bytes=1024**3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3\\text{ cm}+4\\text{ cm}", "3"),
        ("\\text{Yes}", "Yes"),
        ("two", "2"),
        ("one hundred and five", "105"),
        ("two thirds", "2"),
        ("2 million", "1000000"),
        ("at this point", "0"),
        ("007", "7"),
        ("no solution", "nosolution"),
        ("1 and 2", "12"),
        ("land", "l"),
        ("3.00x", "3x"),
        ("2.0", "2"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("-.5", "-.5"),
        ("k = 5", "5"),
        ("ab=5", "5"),
        ("abc=5", "abc=5"),
        ("\\sqrt2x", "\\sqrt{2x}"),
        ("\\frac12", "\\frac{1}{2}"),
        ("\\frac1{72}", "\\frac{1}{72}"),
        ("\\frac{72}1", "\\frac{72}1"),
        ("3+\\frac1", "3+\\frac1"),
        ("03/4", "03/4"),
        ("+1/3", "+1/3"),
        ("x/2", "x/2"),
        ("-3/4", "\\frac{-3}{4}"),
        ("\\leftarrow", "arrow"),
        ("3j+2", "3i+2"),
        ("(-\\infty,\\infty)", "\\mathbb{R}"),
        ("5 kms per hour", "5"),
        ("meters", "meters"),
        ("3 m", "3"),
        ("a + b", "b"),
    ],
)
def test_normalisation(text, wanted):
    assert normalised(text, keep_units=False) == wanted


def test_units_stay_where_a_benchmark_keeps_them():
    assert normalised("5 cm", keep_units=True) == "5cm"


def in_solution(row):
    """The part of a worked solution that the toolkit takes for its answer."""
    found = toolkit.find(row["solution"], "", "math500")
    return row["solution"][found.start : found.end]


FIELDS = {  # the field that the toolkit takes, where the entry of the benchmark takes another or takes it otherwise
    "math500": in_solution,
    "minerva_math": in_solution,
    "olympiadbench": lambda row: row["final_answer"][0].strip("$"),
    "college_math": lambda row: row["answer"].replace("$", "").strip(),
}


@pytest.mark.parametrize(
    ("name", "different"),
    [
        ("math500", []),
        ("minerva_math", []),
        ("olympiadbench", ["1965"]),  # a sentence: dollar signs keep its letters from being taken for units
        ("college_math", ["2407"]),  # a page of matrices, one of which starts a line with a full stop
    ],
)
def test_gold_answers_are_those_of_the_fields_that_the_toolkit_reads(real_data, name, different):
    folder = real_data / "benchmarks"
    entry = read_entry(ROOT / "config" / "benchmarks" / f"{name}.yaml", BenchmarkEntry).read_from(str(folder), name)
    questions = load_questions(name, entry, name).to_pylist()
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = zip(questions, rows, strict=True)
    assert different == [
        question["question_id"]
        for question, row in pairs
        if toolkit.read_gold(question["gold"], name) != toolkit.read_gold(FIELDS[name](row), name)
    ]


def test_extracted_answers_of_real_generations_are_the_stored_ones(real_data):
    lines = (real_data / "outputs" / "qwen_math_cot_100.jsonl").read_text().splitlines()
    rows = list(map(json.loads, lines))
    found = [toolkit.find(text, row["gt"], "math").answer for row in rows for text in row["code"]]
    assert found == [answer for row in rows for answer in row["pred"]]


@pytest.mark.parametrize("grader", [toolkit, math_verify])
@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("<think>\\boxed{3}</think> thus \\boxed{5}", "5"),
        ("the total is 1,234 of 70", "70"),
        ("the total, in all, is 1,234", "1,234"),
        ("总共是 18", "18"),
    ],
)
def test_place_of_an_answer_is_where_it_stands_in_the_response(grader, text, part):
    found = grader.find(text, "7", "math")
    assert text[found.start : found.end] == part


def test_place_of_an_answer_counts_deleted_letters():
    text = "The total, as вотки shows, is 1,234"
    found = toolkit.find(text, "7", "math")
    assert (found.answer, text[found.start : found.end]) == ("1234", "1,234")


POISONS = {
    "tower": "9^{9^{9}}",
    "factorial": "10000000000!",
    "brackets": "(" * 100_000,
    "long": "\\frac{1}{2}+" * 10_000 + "1",
    "power": "(x+1)^{1000000}-x",
    "digits": "9" * 100_000,
    "roots": "\\sqrt{" * 3000 + "2" + "}" * 3000,
}


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("grader", ["toolkit", "math_verify"])
def test_poisoned_answer_costs_its_own_outcome_only(grader, name):
    poisoned = Case(f"\\boxed{{{POISONS[name]}}}", "7", "math500")
    sound = [Case(f"\\boxed{{{number}}}", "7.0", "math500") for number in range(5, 9)]
    started = time.monotonic()
    first, *rest = grade_cases([poisoned, *sound], f"l2s.grading.graders.{grader}", 1, IMPATIENT)
    assert first.outcome is not Outcome.CORRECT
    assert [verdict.outcome.value for verdict in rest] == ["wrong", "wrong", "correct", "wrong"]
    assert time.monotonic() - started < 120


@pytest.mark.parametrize("grader", ["toolkit", "math_verify"])
def test_poisoned_gold_answer_costs_its_own_outcome_only(grader):
    cases = [Case("\\boxed{8}", "9^{9^{9}}", "math500"), Case("\\boxed{8}", "8", "math500")]
    poisoned, sound = grade_cases(cases, f"l2s.grading.graders.{grader}", 1, IMPATIENT)
    # That 8 is not 9^{9^{9}} can be seen from their size, which not every grader looks at.
    assert poisoned.outcome in (Outcome.TIMEOUT, Outcome.WRONG)
    assert sound.outcome is Outcome.CORRECT


@pytest.mark.parametrize("grader", ["toolkit", "math_verify"])
def test_nothing_in_an_answer_or_gold_answer_is_run(grader, tmp_path):
    mark = tmp_path / "ran"
    code = f"__import__('pathlib').Path('{mark}').touch()"
    texts = [code, f"\\boxed{{{code}}}", f"The answer is {code}", f"\\boxed{{\\{{1, {code}\\}}}}", f"$x = {code}$"]
    texts += [f"\\boxed{{\\begin{{pmatrix}}{code}\\\\1\\end{{pmatrix}}}}", f"\\boxed{{x={code}}}", f"3*4+{code} 3*4+1"]
    cases = [case for text in texts for case in (Case(text, "7", "math500"), Case("\\boxed{x+1}", text, "math500"))]
    verdicts = grade_cases(cases, f"l2s.grading.graders.{grader}", 1, Limits(60, 1024**3))
    assert all(verdict.outcome is not Outcome.CORRECT for verdict in verdicts)
    assert not mark.exists()
