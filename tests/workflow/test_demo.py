"""The demo shows the paper's phenomenon, and every stage's files have the declared schema."""

import json
import re
import subprocess
import sys
import zipfile
from contextlib import chdir
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from project import new_project
from support import TOKEN, holds
from transformers import AutoModelForCausalLM, AutoTokenizer

from l2s.analysis.table import as_decoded, overall
from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.audit import AUDIT
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.comparisons import COMPARISONS
from l2s.contracts.disagreements import DISAGREEMENTS
from l2s.contracts.grades import GRADES
from l2s.contracts.noise import NOISE
from l2s.contracts.parquet import read_table
from l2s.contracts.questions import QUESTIONS
from l2s.contracts.responses import RESPONSES, rows_read_at
from l2s.contracts.spectra import SPECTRA
from l2s.contracts.table import TABLE
from l2s.crate.verify import read_files, verify
from l2s.layout import Layout


@pytest.fixture(scope="module")
def results(finished_demo):
    return finished_demo.folder / "results" / "demo"


@pytest.fixture(scope="module")
def lines(results):
    tables = [read_table(results / "tables" / f"{study}.parquet", TABLE) for study in ("demo", "demo_sweep")]
    frames = [as_decoded(overall(table)) for table in tables]
    return {line["recipe"]: line for frame in frames for line in frame.to_dict("records")}


def test_slow_is_right_and_long_and_quick_is_neither(lines):
    quick, slow = lines["quick"], lines["slow"]
    assert slow["questions"] >= 300
    assert slow["accuracy"] >= 0.90
    assert quick["accuracy"] <= slow["accuracy"] - 0.15
    assert slow["mean_tokens"] >= 4 * quick["mean_tokens"]


@pytest.mark.parametrize("recipe", ["task_arithmetic, scale 0.7", "ties, keep_fraction 0.2, scale 1"])
def test_the_papers_settings_halve_the_length_at_equal_accuracy(lines, recipe):
    assert lines[recipe]["length_change"] <= -0.50
    assert lines[recipe]["accuracy"] >= lines["slow"]["accuracy"] - 0.02


def test_training_halves_the_length_at_equal_accuracy_too(lines):
    (dpo,) = [line for line in lines.values() if line["method"] == "dpo"]
    assert dpo["length_change"] <= -0.50
    assert dpo["accuracy"] >= lines["slow"]["accuracy"] - 0.02


def test_accuracy_and_length_rise_gradually_with_the_scale(lines):
    steps = [lines[f"task_arithmetic, scale {scale}"] for scale in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
    lengths = [step["mean_tokens"] for step in steps]
    assert lengths == sorted(lengths)
    spread = lengths[-1] - lengths[0]
    assert max(b - a for a, b in pairwise(lengths)) < 0.6 * spread
    assert steps[0]["accuracy"] < steps[1]["accuracy"] < steps[2]["accuracy"]


def test_every_stage_writes_its_declared_schema(finished_demo, results):
    files = {schema: set(results.glob(pattern)) for pattern, schema in PATTERNS}
    experiment, layout = finished_demo.experiment(), Layout(str(results))
    responses = {one for study in experiment.lines for one in experiment.compared(study)}
    assert files[RESPONSES] == {Path(layout.responses(*one)) for one in responses}
    graded = {
        layout.grades(*one, grader)
        for study in experiment.lines
        for one in experiment.compared(study)
        for grader in experiment.studies[study].graders
    }
    assert files[GRADES] == {Path(path) for path in graded}
    benchmarks = {name for study in experiment.lines for name in experiment.studies[study].benchmarks}
    assert files[QUESTIONS] == {Path(layout.questions(name)) for name in benchmarks}
    with chdir(finished_demo.folder):
        made = {Path(path) for study in experiment.studies for path in experiment.outputs(study, layout)}
    assert files[TABLE] | files[NOISE] | files[DISAGREEMENTS] == {path for path in made if path.suffix == ".parquet"}
    assert {path.name for path in files[COMPARISONS]} == {path.name for path in files[TABLE]}
    assert len(files[SPECTRA]) == len({path.with_suffix("") for path in made if "spectra" in path.parts}) > 0
    for schema, found in files.items():
        for path in found:
            # Graders may agree on every response.
            assert len(read_table(path, schema)) > 0 or schema is DISAGREEMENTS


PATTERNS = [
    ("questions/*.parquet", QUESTIONS),
    ("calibration_data/*.parquet", CALIBRATION_DATA),
    ("responses/**/*.parquet", RESPONSES),
    ("grades/**/*.parquet", GRADES),
    ("tables/*.parquet", TABLE),
    ("comparisons/*.parquet", COMPARISONS),
    ("disagreements/*.parquet", DISAGREEMENTS),
    ("noise/*.parquet", NOISE),
    ("audit/*.parquet", AUDIT),
    ("spectra/**/*.parquet", SPECTRA),
]


def test_responses_cover_every_question_with_ids_and_endings(results):
    for path in results.glob("responses/**/*.parquet"):
        rows = rows_read_at(read_table(path, RESPONSES)).to_pylist()
        assert len({row["question_id"] for row in rows}) == len(rows) == 600
        assert all(len(row["output_ids"]) == row["output_tokens"] > 0 for row in rows)
        sidecar = json.loads(path.with_suffix(".json").read_text())
        assert sidecar["settings"]["engine"] == "transformers"
        assert sidecar["settings"]["engine_identity"].keys() == {"torch", "transformers", "code"}
        # Average and task arithmetic at scale 0.5 are the same tensors: whichever comes second finds its responses.
        if "average" not in str(path) and "scale=0.5" not in str(path):
            assert sidecar["decoded_now"] == 600
            assert sidecar["engine"]["device"] == "cpu"


def test_every_number_of_the_readmes_table_is_reproduced(results):
    rows = read_table(results / "audit" / "demo.parquet", AUDIT).to_pylist()
    assert len(rows) == 15 * 6
    assert [row for row in rows if row["verdict"] != "reproduced"] == []
    assert {row["noise"] for row in rows if (row["method"], row["metric"]) == ("slow", "accuracy")} == {0.0}


def test_figure_and_tables_come_in_every_format(results):
    for suffix in ("html", "svg", "png"):
        assert (results / "figures" / "demo_sweep" / f"sweep.{suffix}").stat().st_size > 1000
        assert (results / "figures" / "demo" / f"accuracy_length.{suffix}").stat().st_size > 1000
        assert (results / "figures" / "spectra" / "demo-quick" / f"demo-slow.{suffix}").stat().st_size > 1000
    for suffix in ("csv", "md", "html"):
        assert "task_arithmetic, scale 0.7" in (results / "tables" / f"demo.{suffix}").read_text()


def test_every_page_of_responses_finds_what_it_loads(results):
    pages = sorted(results.glob("pages/responses/*/index.html"))
    assert {"demo", "demo_levels", "demo_sweep"} <= {page.parent.name for page in pages}
    loaded = set()
    for page in pages:
        data = re.search(r'<script type="application/json" id="study">(.*?)</script>', page.read_text())[1]
        loaded |= {(page.parent / unquote(script)).resolve() for script in json.loads(data)["scripts"].values()}
    assert loaded == set(results.resolve().glob("pages/shards/**/*.js"))


def test_merged_checkpoint_loads_in_transformers_as_it_is(results):
    (manifest,) = results.glob("checkpoints/demo/ties/*/manifest.json")
    folder = Checkpoint.from_manifest(manifest).weights()
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer("Question: From left to right, modulo 10: 3*4+9\nAnswer:", return_tensors="pt")
    assert "\\boxed{1}" in tokenizer.decode(model.generate(**prompt, max_new_tokens=160)[0])


def test_a_second_run_has_nothing_to_do(finished_demo):
    """Not in another file: only here, where one process runs all tests, may the finished demo itself be touched."""
    assert "Nothing to be done" in finished_demo.run()


def test_its_crate_names_every_file_and_finds_one_flipped_byte(demo):
    results = demo.folder / "results" / "demo"
    findings = verify(results)
    assert findings.sound and not findings.new
    samples = [
        "checkpoints/demo/ties/*/model.safetensors",
        "checkpoints/demo/dpo/*/adapter/*",
        "calibrations/**/*.safe*",
    ]
    samples += ["responses/**/*.parquet", "tables/demo.html", "figures/demo/*.png", "store/*/*/*.parquet", "run/*.yaml"]
    flipped = [next(results.glob(sample)) for sample in samples]
    for path in flipped:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert verify(results).changed == sorted(str(path.relative_to(results)) for path in flipped)
    jobs = [one for one in crate_graph(results) if one["@id"].startswith("#job/")]
    results_of = [one if isinstance(one := job["result"], list) else [one] for job in jobs]
    made = {unquote(one["@id"]) for written in results_of for one in written}
    undeclared = {path for path in read_files(results / "ro-crate-metadata.json") if path not in made}
    assert {path.split("/")[0] for path in undeclared} == {"store", "run", "index.html", "pages"}


def crate_graph(results):
    return json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]


def test_its_archive_is_sound_elsewhere_where_it_is_graded_again_without_weights(finished_demo, tmp_path):
    there = new_project(tmp_path / "there")
    script = [sys.executable, "scripts/archive.py", "--results", "results/demo", "--out", str(tmp_path / "demo.zip")]
    subprocess.run(script, cwd=finished_demo.folder, check=True)
    with zipfile.ZipFile(tmp_path / "demo.zip") as file:
        file.extractall(there.folder)
    results = there.folder / "results" / "demo"
    assert not list(results.glob("checkpoints/**/model.safetensors"))
    findings = verify(results)
    assert findings.sound and not findings.new
    assert there.stale() == []
    layout = Layout("results/demo")
    table, graded = there.folder / layout.table("demo"), [*results.glob("grades/models/demo-slow/demo/*.parquet")]
    before = {path: path.read_bytes() for path in [table, *graded]}
    for path in before:
        path.unlink()
    there.run("--", layout.table("demo"))
    assert {path: path.read_bytes() for path in before} == before
    assert verify(results).sound


def test_access_token_is_in_nothing_that_a_run_or_its_report_writes(finished_demo, demo):
    demo.run("--report", "report.html", HF_TOKEN=TOKEN)
    written = [file for project in (finished_demo, demo) for file in project.folder.rglob("*") if file.is_file()]
    kinds = {file.suffix for file in written}
    assert {".log", ".json", ".parquet", ".html", ".tsv", ".csv"} <= kinds
    assert demo.folder / "report.html" in written
    assert not [file for file in written if holds(file, TOKEN)]
