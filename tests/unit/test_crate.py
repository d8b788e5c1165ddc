"""The RO-Crate of a results folder: what it says, what verifying it finds, and the archive."""

import json
import zipfile

import pytest
from crates import MERGED, SmallRun

from l2s.crate import archive as archiving
from l2s.crate.archive import archive
from l2s.crate.verify import read_files, verify
from l2s.errors import UserError

WEIGHTS = f"checkpoints/{MERGED}/model.safetensors"


@pytest.fixture
def run(config, make_model):
    return SmallRun(make_model)


def graph(run):
    entities = json.loads((run.results / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in entities}


def names(entity, key):
    return {one["@id"] for one in ([entity[key]] if isinstance(entity[key], dict) else entity[key])}


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def covered(run):
    apart = ("logs", "timings")
    files = [path.relative_to(run.results) for path in run.results.rglob("*") if path.is_file()]
    return [path for path in files if path.parts[0] not in apart and not path.name.startswith(".")]


def test_an_untouched_folder_is_as_its_crate_says(run):
    findings = verify(run.results)
    assert findings.sound
    assert not findings.new + findings.deleted_caches


def test_one_flipped_byte_is_found_in_every_covered_file(run):
    files = covered(run)
    assert {"model.safetensors", "manifest.json", "demo.csv", "demo.parquet", "README.md"} <= {p.name for p in files}
    for file in files:
        path, written = run.results / file, (run.results / file).read_bytes()
        for place in (0, len(written) // 2, -1):
            flip(path, place)
            try:
                changed = verify(run.results).changed
            except UserError as error:
                # The crate itself, so damaged that it is no JSON any more.
                assert "ro-crate-metadata.json" in str(error)
                changed = [file.name]
            expected = "ro-crate-metadata.json" if file.name.startswith("ro-crate") else str(file)
            assert expected in changed, f"{file}, byte {place}"
            path.write_bytes(written)
    assert verify(run.results).sound


def test_every_byte_of_weights_counts_unless_they_are_left_out(run):
    path = run.results / WEIGHTS
    for place in (0, 8, 100, path.stat().st_size // 2, -1):
        written = path.read_bytes()
        flip(path, place)
        assert verify(run.results).changed == [WEIGHTS]
        path.write_bytes(written)
    flip(path, -1)
    assert verify(run.results, weights=False).sound


def test_missing_and_new_files_are_told_apart_and_only_caches_may_be_deleted(run):
    (run.results / "tables/demo.csv").unlink()
    (run.results / WEIGHTS).unlink()
    (run.results / "store/0123/responses.parquet").unlink()
    (run.results / "tables/notes.txt").write_text("mine")
    findings = verify(run.results)
    assert findings.missing == ["tables/demo.csv"]
    assert findings.new == ["tables/notes.txt"]
    assert findings.deleted_caches == [WEIGHTS, "store/0123/responses.parquet"]
    assert not findings.sound


def test_a_folder_without_a_crate_or_with_another_file_in_its_place_is_refused(run):
    crate = run.results / "ro-crate-metadata.json"
    crate.write_text("{}")
    with pytest.raises(UserError, match=r"ro-crate-metadata\.json: key '@graph' is missing; run the workflow again"):
        verify(run.results)
    crate.unlink()
    with pytest.raises(UserError, match=r"ro-crate-metadata\.json: no such file"):
        verify(run.results)
    with pytest.raises(UserError, match=r"ro-crate-metadata\.json: no such file; run the workflow"):
        archive(run.results, run.results.with_suffix(".zip"))


def test_a_job_has_its_inputs_results_times_and_memory(run):
    entities = graph(run)
    job = entities[f"#job/merge/{MERGED}"]
    assert names(job, "object") == {"checkpoints/models/demo-quick/manifest.json"}
    assert {WEIGHTS, f"checkpoints/{MERGED}/manifest.json", f"checkpoints/{MERGED}/README.md"} <= names(job, "result")
    assert (job["startTime"], job["endTime"]) == ("2023-11-14T22:13:20+00:00", "2023-11-14T22:13:22+00:00")
    (memory,) = names(job, "resourceUsage")
    assert (entities[memory]["value"], entities[memory]["unitText"]) == ("12.25", "MB")
    assert names(job, "instrument") == {"#tool/merge"}


def test_a_run_names_its_inputs_configuration_packages_and_machine(run):
    entities = graph(run)
    whole = entities["#run"]
    inputs = names(whole, "object")
    assert {
        "run/configuration.yaml",
        "run/installed.txt",
        "#envs/cpu.txt",
        "#config/published/paper/cells.csv",
    } <= inputs
    assert {"#models/demo-quick", "#models/demo-slow", "#benchmarks/demo_arithmetic"} <= inputs
    manifest = json.loads((run.results / "checkpoints/models/demo-quick/manifest.json").read_text())
    assert entities["#models/demo-quick"]["identifier"] == f"sha256:{manifest['content_id']}"
    assert names(entities["#job/fetch_model/demo-quick"], "object") == {"#models/demo-quick"}
    assert names(whole, "additionalProperty") >= {"#machine/processor", "#machine/GPUs", "#machine/memory"}
    assert names(whole, "result") >= {"tables/demo.csv"}
    assert "tables/demo.csv" not in names(entities["#job/decode/" + MERGED + "/demo"], "result")
    assert "scale: 0.7" in (run.results / "run/configuration.yaml").read_text()
    assert "rocrate==" in (run.results / "run/installed.txt").read_text()


def test_a_failed_run_is_recorded_as_failed(run):
    assert graph(run)["#run"]["actionStatus"].endswith("/CompletedActionStatus")
    run.crate(succeeded=False)
    assert graph(run)["#run"]["actionStatus"].endswith("/FailedActionStatus")
    assert verify(run.results).sound


def test_the_same_results_have_the_same_crate_but_for_the_time_of_writing(run):
    first = graph(run)
    run.crate()
    again = graph(run)
    assert first["./"].pop("datePublished") and again["./"].pop("datePublished")
    assert first == again


def test_a_crate_follows_files_that_changed(run):
    run.write(run.layout.table("demo", "csv"), "accuracy\n0.75\n")
    assert verify(run.results).changed == ["tables/demo.csv"]
    run.crate()
    assert verify(run.results).sound


def test_an_archive_leaves_out_caches_and_is_sound_and_the_same_each_time(run, tmp_path, monkeypatch):
    monkeypatch.setattr(archiving, "PROJECT", tmp_path)
    archive(run.results, tmp_path / "a.zip")
    (run.results / "tables/demo.csv").touch()
    archive(run.results, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        file.extractall(tmp_path / "elsewhere")
    unpacked = tmp_path / "elsewhere/results/small"
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert {"tables/demo.csv", "logs/make_table/demo.log", "timings/make_table/demo.tsv"} <= there
    assert WEIGHTS not in there
    assert not any(path.startswith("store/") for path in there)
    findings = verify(unpacked)
    assert findings.sound
    assert findings.deleted_caches == [WEIGHTS, "store/0123/responses.parquet"]


def test_file_names_stand_in_the_crate_as_they_are_on_the_disk(run):
    run.write(f"{run.results}/tables/größe, 100 % #1?.csv", "x")
    run.crate()
    assert "tables/größe, 100 % #1?.csv" in read_files(run.results / "ro-crate-metadata.json")
    assert verify(run.results).sound
