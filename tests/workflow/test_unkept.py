"""Without kept checkpoints, merged weights exist only while they are decoded, and nothing else changes."""

import json
import os
import signal
import subprocess
import time

import yaml
from project import SNAKEMAKE

from l2s.checkpoints.manifest import read_manifest

UNKEPT = ("--config", "keep_checkpoints=false")


def merged_weights(project):
    """Return every weight file of merged checkpoints, wherever it lies."""
    results = project.folder / "results" / "demo"
    return [*results.glob("checkpoints/demo/**/*.safetensors"), *results.glob("scratch/**/*.safetensors")]


def test_unkept_weights_give_the_same_checkpoints_and_responses(demo):
    study = yaml.safe_load((demo.folder / "config/studies/demo.yaml").read_text())
    demo.write("config/studies/small.yaml", yaml.safe_dump({**study, "recipes": ["ties", "average"]}))
    config = (demo.folder / "config/demo.yaml").read_text()
    small = {"results": "results/unkept", "studies": ["small"], "keep_checkpoints": False}
    demo.write("config/small.yaml", yaml.safe_dump({**yaml.safe_load(config), **small}))
    demo.run(config="config/small.yaml")
    kept, unkept = (demo.folder / "results" / name for name in ("demo", "unkept"))
    assert not list(unkept.glob("checkpoints/demo/**/*.safetensors"))
    assert not list(unkept.glob("scratch/*")) + list(unkept.glob("scratch/.*"))
    for manifest in unkept.glob("checkpoints/demo/*/*/manifest.json"):
        same = kept / manifest.relative_to(unkept)
        assert manifest.read_bytes() == same.read_bytes()
        responses = f"responses/{manifest.parent.relative_to(unkept / 'checkpoints')}/demo.parquet"
        assert (unkept / responses).read_bytes() == (kept / responses).read_bytes()


def test_keeping_or_not_makes_nothing_stale(demo):
    assert demo.stale(*UNKEPT) == []
    assert merged_weights(demo)


def test_scratch_of_a_killed_decode_is_removed_by_the_next(demo):
    (manifest,) = demo.folder.glob("results/demo/checkpoints/demo/ties/*/manifest.json")
    manifest.with_name("model.safetensors").unlink()
    name = manifest.parent.relative_to(demo.folder / "results/demo/checkpoints")
    for file in demo.folder.glob(f"results/demo/responses/{name}/*"):
        file.unlink()
    for file in demo.folder.glob(f"results/demo/store/{read_manifest(manifest).content_id[:16]}/*/*.parquet"):
        file.unlink()
    decode = (*UNKEPT, "--", f"results/demo/responses/{name}/demo.parquet")
    running = subprocess.Popen(
        [str(SNAKEMAKE), "--cores", "2", "--configfile", "config/demo.yaml", *decode],
        cwd=demo.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scratch = demo.folder / "results/demo/scratch"
    while not list(scratch.glob(".*.partial/weights/model.safetensors")):
        assert running.poll() is None, "merged weights never lay in scratch"
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert list(scratch.glob(".*.partial"))
    demo.run("--unlock")
    demo.run(*decode)
    assert not list(scratch.glob("*")) + list(scratch.glob(".*.partial"))
    sidecar = json.loads((demo.folder / f"results/demo/responses/{name}/demo.json").read_text())
    assert sidecar["decoded_now"] > 0
