"""A table of a study that is only part done: the lines that have been graded."""

from l2s.analysis.spec import Spec

CHECKPOINTS = ("slow", "quick", "ties")


def spec(folder, there):
    """A study of three lines, of which some have been decoded and graded by its own grader."""
    checkpoints = {}
    for name in CHECKPOINTS:
        files = {part: folder / f"{name}-{part}.parquet" for part in ("responses", "own", "other")}
        checkpoints[name] = {
            "responses": str(files["responses"]),
            "grades": {"own": str(files["own"]), "other": str(files["other"])},
        }
        for part in ("responses", "own") if name in there else ():
            files[part].touch()
    rows = [{"pair": "p", "method": "m", "recipe": n, "checkpoint": n, "reference": "slow"} for n in CHECKPOINTS]
    values = {"study": "s", "title": "S", "reference": "slow", "benchmarks": ["b"], "rows": rows}
    return Spec(**values, checkpoints=checkpoints)


def test_lines_that_are_graded_are_shown_by_the_studys_own_grader(tmp_path):
    so_far = spec(tmp_path, ("slow", "ties")).so_far()
    assert [row.checkpoint for row in so_far.rows] == ["slow", "ties"]
    assert {row.reference for row in so_far.rows} == {"slow"}
    assert [list(files.grades) for files in so_far.checkpoints.values()] == [["own"], ["own"]]


def test_nothing_is_compared_with_a_reference_that_is_not_there_yet(tmp_path):
    so_far = spec(tmp_path, ("quick",)).so_far()
    assert [(row.checkpoint, row.reference) for row in so_far.rows] == [("quick", None)]


def test_there_is_no_table_before_anything_is_graded(tmp_path):
    assert spec(tmp_path, ()).so_far() is None
