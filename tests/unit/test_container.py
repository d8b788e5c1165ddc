"""`make container` builds on a base that a digest names, or on none."""

import subprocess

import pytest
from support import ROOT

DIGEST = "sha256:" + "0" * 64


def make(*options):
    return subprocess.run(["make", "-n", "container", *options], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("base", ["", "python:3.12-bookworm", "python@sha256:12", f"python@{DIGEST}0"])
def test_base_without_a_digest_is_refused_with_the_way_to_get_one(base):
    done = subprocess.run(
        ["make", "--no-print-directory", "container", f"BASE={base}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout.startswith("give the base by digest: make container BASE=python:3.12-bookworm@sha256:")


def test_both_builders_get_the_base_and_another_is_refused():
    for builder, file in (("docker", "envs/Dockerfile"), ("apptainer", "envs/apptainer.def")):
        said = make(f"BASE=python@{DIGEST}", f"BUILDER={builder}").stdout
        assert f"{builder} build --build-arg BASE=python@{DIGEST}" in said and file in said
    assert "BUILDER is docker or apptainer, not 'podman'" in make(f"BASE=python@{DIGEST}", "BUILDER=podman").stderr


def test_both_definitions_run_the_same_steps():
    docker = (ROOT / "envs/Dockerfile").read_text().split("RUN ")[1].split("WORKDIR")[0].replace("\\\n", "")
    apptainer = (ROOT / "envs/apptainer.def").read_text().split("set -e\n")[1]
    steps = [step.strip() for step in docker.split("&&")]
    assert steps == [line.strip() for line in apptainer.splitlines() if line.strip()]
    assert len(steps) == 3
