"""What counts as length and as reflection, and responses that are read at another context length, in tables."""

import pandas as pd
import pytest
from tables import NONE, read, tables

import draw_figure
from l2s.analysis.figures import accuracy_length
from l2s.analysis.paper_table import wide_frame
from l2s.analysis.reflection import count_keywords
from l2s.analysis.render_table import caption, display_frame, write_csv
from l2s.analysis.table import COUNTING, Counting, Row, make_table
from l2s.contracts.parquet import write_table
from l2s.errors import UserError


@pytest.mark.parametrize(
    ("text", "released", "footnote", "words"),
    [
        ("Wait, let me double-check. wait", 3, 3, 3),
        ("To recap, I re-examine it", 2, 2, 2),
        ("LET ME CHECK. let me just verify! Let me just check", 3, 3, 3),
        ("The waiter awaits; we checked.", 2, 2, 0),
        ("She recaptured it while waiting", 2, 2, 0),
        ("Let me verify. let me verify", 0, 2, 2),
        ("I double check and reexamine", 0, 0, 2),
        ("Let me checkmate him, let me quickly check", 1, 1, 0),
        ("", 0, 0, 0),
    ],
)
def test_reflection_keywords_are_counted_by_three_definitions(text, released, footnote, words):
    counts = {"released": released, "footnote": footnote, "words": words}
    assert {definition: count_keywords(text, definition) for definition in counts} == counts
    assert count_keywords(text) == words


def test_length_and_reflection_are_counted_as_the_study_says_and_the_note_says_how():
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    graded = {"m": read(tables(["correct"] * 2, [5, 7], "awaits, let me verify"))}
    expected = {("generated", "words"): (6, 1), ("retokenized", "released"): (7, 1), ("generated", "footnote"): (6, 2)}
    notes = set()
    for (length, reflection), numbers in expected.items():
        counting = Counting(length=length, reflection=reflection)
        table = make_table("s", [row], ["b"], graded, counting=counting)
        (line,) = table.to_pylist()
        assert (line["mean_tokens"], line["reflection_keywords"]) == numbers
        notes.add(caption(table, NONE, "slow", counting))
    assert len(notes) == 3
    assert any("tokenized again" in note and "the authors' script" in note for note in notes)


@pytest.mark.parametrize(
    ("checkpoint", "finish", "length", "notes"),
    [
        ("imports/theirs", "unknown", "generated", {"?: the imported files", "Lengths of imports"}),
        ("imports/theirs", "unknown", "retokenized", {"?: the imported files"}),
        ("imports/theirs", "stop", "generated", {"Lengths of imports"}),
        ("m", "stop", "generated", set()),
    ],
)
def test_note_says_of_imports_what_their_lengths_are_and_what_is_not_known(checkpoint, finish, length, notes):
    row = Row(pair="p", method="m", recipe="m", checkpoint=checkpoint)
    graded = {checkpoint: read(tables(["correct"] * 2, [5, 7], finish=finish))}
    table = make_table("s", [row], ["b"], graded, counting=Counting(length=length))
    said = caption(table, NONE, "slow", Counting(length=length))
    assert {note for note in ("?: the imported files", "Lengths of imports") if note in said} == notes


def read_twice():
    """Return a table of which the responses of ties are also read at a context length of 4,096."""
    slow, ties = tables(["correct"] * 2, [5000, 3000]), tables(["correct"] * 2, [4500, 3000])
    cut = tables(["no_answer", "correct"], [4000, 3000], finish="context_length", read_at=4096)
    rows = [
        Row(pair="p", method=name, recipe=name, checkpoint=name, reference="slow", read_at=read_at)
        for name, read_at in (("slow", ()), ("ties", (4096,)))
    ]
    return make_table("s", rows, ["b"], {"slow": read(slow), "ties": read(ties, cut)})


def test_responses_read_at_a_context_length_have_a_line_of_their_own(tmp_path):
    table = read_twice()
    lines = [(line["recipe"], line["read_at"], line["accuracy"], line["mean_tokens"]) for line in table.to_pylist()]
    assert lines == [("slow", None, 1, 4000), ("ties", None, 1, 3750), ("ties", 4096, 0.5, 3500)]
    assert table.to_pylist()[2]["length_change"] == pytest.approx(3500 / 4000 - 1)
    names = ["slow", "ties", "ties, context length 4,096"]
    assert display_frame(table, NONE)["Model"].tolist() == wide_frame(table, "length", NONE)["Model"].tolist() == names
    note = caption(table, NONE, "slow", COUNTING, ["a limit."])
    assert "cut where a context length" in note and note.endswith(" a limit.")
    write_csv(table, tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv")["read_at"].tolist()[2] == 4096
    row = Row(pair="p", method="m", recipe="m", checkpoint="m", read_at=(4096,))
    with pytest.raises(UserError, match="no graded responses to benchmark 'b' read at a context length of 4096"):
        make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))})


def test_figures_draw_the_responses_as_decoded(tmp_path, monkeypatch):
    drawn, chart = [], accuracy_length.chart
    monkeypatch.setattr(accuracy_length, "chart", lambda table, title: drawn.append(table) or chart(table, title))
    write_table(read_twice(), tmp_path / "table.parquet", {"title": "T"})
    draw_figure.main(tmp_path / "table.parquet", "accuracy_length", tmp_path / "figure")
    assert [line["recipe"] for line in drawn[0].to_pylist()] == ["slow", "ties"]


def test_without_readings_the_csv_has_no_column_of_them(tmp_path):
    row = Row(pair="p", method="m", recipe="m", checkpoint="m")
    write_csv(make_table("s", [row], ["b"], {"m": read(tables(["correct"], [5]))}), tmp_path / "t.csv")
    assert "read_at" not in pd.read_csv(tmp_path / "t.csv").columns
