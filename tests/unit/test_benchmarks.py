"""Benchmarks from local JSONL and Parquet: one schema, pinned content, and an error for each kind of bad row."""

import json

import pandas as pd
import pytest

from l2s.config import validate
from l2s.contracts.questions import QUESTIONS
from l2s.errors import UserError
from l2s.sources.benchmarks import BenchmarkEntry, load_questions
from l2s.sources.extractors import last_boxed, latex
from l2s.sources.pinning import rows_digest

ROWS = [
    {"q": "1+1?", "a": "so #### 2", "n": "x1", "difficulty": "Level 1"},
    {"q": " 2+2? ", "a": "so #### 4", "n": "x2", "difficulty": "Level 2"},
    {"q": "What is {x}?", "a": "#### 1,000", "n": "x3", "difficulty": "Level 2"},
]
COLUMNS = {
    "question": {"column": "q"},
    "gold": {"column": "a", "pattern": "#### (.+)"},
    "id": {"column": "n"},
    "level": {"column": "difficulty", "pattern": r"(\d)"},
}
CLEAN = [
    {"question_id": "x1", "question": "1+1?", "gold": "2", "level": 1},
    {"question_id": "x2", "question": "2+2?", "gold": "4", "level": 2},
    {"question_id": "x3", "question": "What is {x}?", "gold": "1,000", "level": 2},
]


@pytest.fixture
def entry(tmp_path):
    def make(rows=ROWS, kind="jsonl", **changed):
        path = tmp_path / f"rows.{kind}"
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            pd.DataFrame(rows).to_parquet(path)
        values = {
            "source": {"path": str(path)},
            **COLUMNS,
            "rows": max(len(rows), 1),
            "sha256": rows_digest(CLEAN),
            **changed,
        }
        return validate(BenchmarkEntry, values, "toy.yaml")

    return make


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_are_normalised_to_the_declared_schema(entry, kind):
    table = load_questions("toy", entry(kind=kind), "toy.yaml")
    assert table.schema.equals(QUESTIONS)
    assert table.to_pylist() == [{"benchmark": "toy", **row} for row in CLEAN]


def test_first_takes_the_first_questions_of_the_whole_pinned_file(entry):
    table = load_questions("toy", entry(first=2), "toy.yaml")
    assert table["question_id"].to_pylist() == ["x1", "x2"]


def test_text_is_put_behind_the_questions_whose_whole_gold_answer_matches(entry):
    append = [{"when": "2|,", "text": " (a digit)"}, {"when": r"\d,\d+", "text": " (a number)"}]
    said = (" (a digit)", "", " (a number)")
    clean = [{**row, "question": row["question"] + text} for row, text in zip(CLEAN, said, strict=True)]
    table = load_questions("toy", entry(append=append, sha256=rows_digest(clean)), "toy.yaml")
    assert table["question"].to_pylist() == [row["question"] for row in clean]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": "no mark"}, r"row 2: column 'a' holds nothing matching"),
        ({"a": None}, r"row 2: column 'a' holds nothing"),
        ({"q": "   "}, r"row 2: column 'q' holds nothing"),
        ({"n": "x1"}, r"rows 1 and 2 have the same id 'x1'"),
        ({"q": "another question"}, r"sha256 of the rows is [0-9a-f]{64}, key 'sha256' says"),
    ],
)
def test_bad_row_is_named_by_file_row_and_column(entry, change, message):
    rows = [ROWS[0], {**ROWS[1], **change}, ROWS[2]]
    with pytest.raises(UserError, match=r"toy\.yaml.*rows\.jsonl.*" + message):
        load_questions("toy", entry(rows), "toy.yaml")


def test_wrong_row_count_is_refused(entry):
    with pytest.raises(UserError, match="has 3 rows, the entry's 'rows' says 4"):
        load_questions("toy", entry().model_copy(update={"rows": 4}), "toy.yaml")


def test_unknown_column_names_the_nearest(entry):
    with pytest.raises(UserError, match="there is no column 'dificulty'; did you mean 'difficulty'"):
        load_questions("toy", entry(level={"column": "dificulty"}), "toy.yaml")


def test_file_that_is_no_json_is_named(entry, tmp_path):
    broken = entry()
    (tmp_path / "rows.jsonl").write_text("{not json\n")
    with pytest.raises(UserError, match=r"toy\.yaml.*rows\.jsonl\), line 1: not valid JSON"):
        load_questions("toy", broken, "toy.yaml")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sha256": "abc"}, "key 'sha256'"),
        ({"source": {"repo": "a/b", "revision": "dev", "split": "test"}}, "must be a commit of a/b"),
        ({"source": {"path": "rows.csv"}}, "'path' must end in"),
        ({"source": {"url": "https://a.org/rows.csv", "file_sha256": "0" * 64}}, "'url' must end in"),
        ({"source": {"url": "https://a.org/rows.jsonl"}}, "'url' and 'file_sha256'"),
        ({"source": {"url": "/rows.jsonl", "file_sha256": "0" * 64}}, "key 'source.url'"),
        ({"source": {"path": "rows.jsonl", "file_sha256": "0" * 64}}, "'url' and 'file_sha256'"),
        ({"gold": {"column": "a", "extract": "boxed"}}, "key 'gold.extract': Input should be 'latex' or 'last_boxed'"),
        ({"gold": {"column": "a", "pattern": "####"}}, "exactly one group"),
        ({"append": [{"when": "(", "text": "x"}]}, "key 'append.0.when': .*not a regular expression"),
        ({"append": [{"when": "x", "text": ""}]}, "key 'append.0.text'"),
        ({"shuffle": True}, "unknown key 'shuffle'"),
    ],
)
def test_wrong_entry_is_refused_by_key(entry, changed, message):
    with pytest.raises(UserError, match=f"toy.yaml: .*{message}"):
        entry(**changed)


def test_answers_that_look_like_dates_or_numbers_stay_as_they_are(entry, tmp_path):
    rows = [{**ROWS[0], "a": "#### 2020-01-05"}, {**ROWS[1], "a": "#### 007"}, ROWS[2]]
    clean = [{**CLEAN[0], "gold": "2020-01-05"}, {**CLEAN[1], "gold": "007"}, CLEAN[2]]
    for kind in ("jsonl", "parquet"):
        table = load_questions("toy", entry(rows, kind, sha256=rows_digest(clean)), "toy.yaml")
        assert table["gold"].to_pylist() == ["2020-01-05", "007", "1,000"]


def test_file_without_rows_says_so(entry):
    with pytest.raises(UserError, match="has 0 rows, the entry's 'rows' says 3"):
        load_questions("toy", entry([]).model_copy(update={"rows": 3}), "toy.yaml")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("= \\boxed{1.6} \\mathrm{~cm}", "1.6"),
        ("\\boxed{1}, so \\boxed{\\frac{1}{\\sqrt{2}}} and {more}", "\\frac{1}{\\sqrt{2}}"),
        ("\\boxed{a+$ $b}", "a+ b"),
        ("\\boxed{\\left\\{1,2\\right\\}}", "\\left\\{1,2\\right\\}"),
        ("\\boxed{x \\in \\{1\\}}.", "x \\in \\{1\\}"),
        (
            "\\boxed{\\left\\{\\begin{array}{c}1\\\\2\\\\\\end{array}\\right.}",
            "\\left\\{\\begin{array}{c}1\\\\2\\\\\\end{array}\\right.",
        ),
        ("\\boxed{a\\\\}", "a\\\\"),
        ("\\boxed{never {closed}", ""),
        ("no box", ""),
    ],
)
def test_last_box_is_taken_with_the_braces_in_it(text, content):
    assert last_boxed(text) == content


def test_latex_is_one_line_without_the_dollars_of_its_formulas():
    assert latex("$x=1$ or\n\n$$y = \\$ 3$$ ") == "x=1 or y = \\$ 3"


def test_value_may_be_the_only_one_of_a_list_and_what_is_not_found_is_told(entry):
    part = {"gold": {"column": "a", "extract": "last_boxed"}}
    boxed = [{**row, "a": [f"\\boxed{{{clean['gold']}}}"]} for row, clean in zip(ROWS, CLEAN, strict=True)]
    assert load_questions("toy", entry(boxed, **part), "toy.yaml")["gold"].to_pylist() == ["2", "4", "1,000"]
    with pytest.raises(UserError, match="row 1: column 'a' holds 2 values; it must hold one"):
        load_questions("toy", entry([{**boxed[0], "a": ["1", "2"]}], **part), "toy.yaml")
    with pytest.raises(UserError, match="row 1: column 'a' holds nothing for 'last_boxed'"):
        load_questions("toy", entry([{**boxed[0], "a": "1"}], **part), "toy.yaml")


def test_line_separator_inside_a_text_ends_no_row(entry, tmp_path):
    rows = [{**ROWS[0], "q": "1\u2028+1?"}, *ROWS[1:]]
    pinned = entry(sha256=rows_digest([{**CLEAN[0], "question": "1\u2028+1?"}, *CLEAN[1:]]))
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "rows.jsonl").write_text("\r\n".join(lines), encoding="utf-8")
    assert load_questions("toy", pinned, "toy.yaml")["question"][0].as_py() == "1\u2028+1?"
