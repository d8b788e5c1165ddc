"""A small results folder with every kind of page, made from made-up responses by the scripts that the rules call."""

from pathlib import Path

import yaml
from tables import tables

import draw_figure
import draw_merge
import make_table
import write_page
from l2s.analysis.comparisons import compare_lines
from l2s.analysis.disagreements import disagreements
from l2s.analysis.spec import Spec
from l2s.checkpoints.manifest import FileRecord, Manifest, Parent, TensorRecord, write_manifest
from l2s.contracts.grades import GRADES
from l2s.contracts.merge_statistics import MERGE_STATISTICS, STATISTICS_NAME
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_table, table_of, write_table
from l2s.contracts.responses import RESPONSES
from l2s.contracts.run import ReachedBy, RuleTime, Run
from l2s.files import pretty_json, write_text
from l2s.layout import Layout

HOSTILE = """</script><script>alert('label')</script><b>&amp;"""
SLOW, QUICK = "models/slow", "models/quick"
TIES, TWIN, OTHER = (
    "p/ties/keep_fraction=0.2+scale=1.0~1a2b3c4d",
    "p/twin/weight=1~00000001",
    "p/twin/weight=0.5~00000002",
)
# By checkpoint: method, name in tables, how many of 60 answers are right, length.
LINES = {
    QUICK: ("quick", "quick", 20, 5),
    SLOW: ("slow", "slow", 58, 90),
    TIES: ("ties", f"ties, scale 1 {HOSTILE}", 59, 30),
    TWIN: ("twin", "twin, weight 1", 59, 60),
    OTHER: ("twin", "twin, weight 0.5", 30, 30),
}
GRADERS = ("math_verify", "toolkit")


def plant(results):
    """Write the folder: a study of one benchmark, one of two, a noise study, figures, checkpoints and a run."""
    layout = Layout(str(results))
    for checkpoint, (_, _, right, length) in LINES.items():
        _answer(layout, checkpoint, right, length)
    for study, benchmarks in (("one", ["x"]), ("two", ["x", "y"])):
        _study(layout, study, benchmarks)
    first = {"checkpoint": SLOW, "benchmark": "x", "first": "demo", "again": "demo-again", "responses": 60}
    changed = {"changed_responses": 1, "changed_lengths": 1, "changed_grades": 0, "first_difference": 3.0}
    noise = table_of([{**first, **changed, "accuracy_difference": 0.0, "length_difference": 0.01}], NOISE)
    write_table(noise, results / "noise/again.parquet", {"title": "Again", "note": "Said."})
    write_text(results / "noise/again.md", "## Again\n")
    write_page.main("noise", results / "noise/again.parquet", results / "noise/again.html", None, results)
    _checkpoints(layout, results)
    _run(results)


def _answer(layout, checkpoint, right, length):
    outcomes = ["correct"] * right + ["wrong"] * (60 - right)
    parts = [tables(outcomes, [length] * 60, benchmark=benchmark) for benchmark in ("x", "y")]
    responses, grades = ([row for part in parts for row in part[number]] for number in (0, 1))
    write_table(table_of(responses, RESPONSES), Path(layout.responses(checkpoint, "demo")))
    said = {"settings": {"engine": "transformers", "max_new_tokens": 64}, "responses": 120, "first_prompt": HOSTILE}
    write_text(Path(layout.responses(checkpoint, "demo", "json")), pretty_json(said))
    for grader in GRADERS:
        if grader == "toolkit":
            grades[0]["outcome"] = "wrong"
        write_table(table_of(grades, GRADES), Path(layout.grades(checkpoint, "demo", grader)))


def _study(layout, study, benchmarks):
    rows = [
        {"pair": "p", "method": method, "recipe": recipe, "checkpoint": checkpoint, "reference": SLOW}
        for checkpoint, (method, recipe, _, _) in LINES.items()
    ]
    files = {
        checkpoint: {
            "responses": layout.responses(checkpoint, "demo"),
            "grades": {grader: layout.grades(checkpoint, "demo", grader) for grader in GRADERS},
        }
        for checkpoint in LINES
    }
    title = f"Study {study} {HOSTILE}"
    spec = Spec(
        study=study, title=title, reference="slow", benchmarks=benchmarks, rows=rows, checkpoints=files, questions=()
    )
    write_table(compare_lines(spec), Path(layout.comparisons(study)))
    out, results = Path(layout.table(study, "x")).with_suffix(""), Path(layout.results)
    make_table.main(spec, Path(layout.comparisons(study)), out)
    write_page.main(
        "tables",
        Path(layout.table(study)),
        Path(layout.table(study, "html")),
        Path(layout.comparisons(study)),
        results,
    )
    graded = {name: {g: read_table(Path(layout.grades(name, "demo", g)), GRADES) for g in GRADERS} for name in LINES}
    write_table(disagreements(graded, benchmarks), Path(layout.disagreements(study)), {"title": title})
    pages = [Path(layout.disagreements(study, suffix)) for suffix in ("parquet", "html")]
    write_page.main("disagreements", *pages, None, results)
    figure = Path(layout.figure(study, "accuracy_length", "svg")).with_suffix("")
    draw_figure.main(Path(layout.table(study)), "accuracy_length", figure, results)


def _checkpoints(layout, results):
    tensors = {"w": TensorRecord(dtype="BF16", shape=(2, 3), sha256="0" * 64)}
    files = {"model.safetensors": FileRecord(bytes=12)}
    for name in (QUICK, SLOW):
        fetched = Manifest(kind="fetched", content_id=name, source=f"team/{name}", tensors=tensors, files=files)
        write_manifest(fetched, Path(layout.manifest(name)))
    parents = [Parent(used_as="base", source="team/quick", content_id=QUICK)]
    recipe = {"method": "ties", "keep_fraction": 0.2, "base": "team/quick", "models": []}
    merged = Manifest(
        kind="merged", content_id="merged", recipe=recipe, parents=parents, tensors=tensors, files=files,
        policies={"tokenizer": "quick"},
    )  # fmt: skip
    write_manifest(merged, Path(layout.manifest(TIES)))
    norms = {"base_norm": 2.0, "task_vector_norm": 1.0, "merged_norm": 0.5, "cosine": 0.5}
    shares = {"elements": 6, "changed": 0.4, "shifts_over_bound": 0.2}
    rows = [{"tensor": f"t{layer}", "layer": layer, "model": 1, **norms, **shares} for layer in range(3)]
    folder = Path(layout.checkpoint(TIES))
    write_table(table_of(rows, MERGE_STATISTICS), folder / STATISTICS_NAME)
    draw_merge.main(folder, Path(layout.merge_figure(TIES, "svg")).with_suffix(""), f"ties {HOSTILE}", results)


def _run(results):
    studies = {name: {"kind": "table", "title": name} for name in ("one", "two")}
    studies |= {"all": {"kind": "group", "studies": ["two", "one"]}, "late": {"kind": "table", "title": "Late"}}
    configuration = {"configuration": {"studies": ["all", "late"], "title_prefix": "ONLY A TEST: "}, "studies": studies}
    write_text(results / "run/configuration.yaml", yaml.safe_dump(configuration))
    assumed = ReachedBy(silent=f"what {HOSTILE}", choice="this", alternatives=["that"], study=None, numbers=3)
    run = Run(
        succeeded=True,
        started="2026-01-02T03:04:05+00:00",
        ended="2026-01-02T13:04:05+00:00",
        machine={"processor": "CPU", "cores": "8", "memory": "1 GiB", "GPUs": "none"},
        code={"sha256": "0" * 64},
        rules={"decode": RuleTime(jobs=5, seconds=3725, gpu_seconds=7200, peak_mb=1234.5)},
        assumptions={"bos": assumed},
    )
    write_text(results / "run/run.json", pretty_json(run.model_dump(mode="json")))
