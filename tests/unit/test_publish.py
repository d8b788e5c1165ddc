"""Publishing a checkpoint on the hub, against its mirror on loopback.

Tested is the hub client's plain HTTP transfer (LFS); Xet, by which the real hub takes large files, needs its servers.
"""

import os
import shutil
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard
from merges import merge
from support import ROOT, load_tensors

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest, write_manifest
from l2s.checkpoints.weights import describe_model

pytestmark = pytest.mark.slow

SECRET = "hf_not-to-be-shown"
REPO = "me/shortened"


@pytest.fixture
def made(make_model, tmp_path):
    """A merged checkpoint, whose models have no stated licence."""
    base, slow = make_model("base", 0), make_model("slow", 1)
    merge({"method": "task_arithmetic"}, base, [slow], tmp_path / "made")
    return tmp_path / "made"


@pytest.fixture
def publish(made, hub_environment):
    """Run scripts/publish.py on the checkpoint -> finished process, whose output must not hold the token."""

    def run(*options, stdin=subprocess.DEVNULL, licence="mit"):
        given = ["--licence", licence] if licence else []
        command = [sys.executable, str(ROOT / "scripts/publish.py"), "--checkpoint", str(made), "--repo", REPO]
        environment = {**hub_environment, "HF_TOKEN": SECRET}
        done = subprocess.run(
            [*command, *given, *options], env=environment, capture_output=True, text=True, stdin=stdin, check=False
        )
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def from_the_hub(manifest_path, *licences):
    """Let the models of a checkpoint come from the hub."""
    manifest = read_manifest(manifest_path)
    parents = [
        parent.model_copy(update={"source": f"team/{number}@{str(number) * 40}", "licence": licence})
        for number, (parent, licence) in enumerate(zip(manifest.parents, licences, strict=True))
    ]
    write_manifest(manifest.model_copy(update={"parents": tuple(parents)}), manifest_path)


def test_a_published_checkpoint_is_whole_private_and_names_no_folder_of_this_machine(publish, made, hub, tmp_path):
    from_the_hub(made / MANIFEST_NAME, "Apache-2.0", "Apache-2.0")
    done = publish(licence=None)
    assert done.returncode == 0, done.stderr
    there = hub.root / REPO
    names = {"README.md", MANIFEST_NAME, "statistics.parquet", *read_manifest(made / MANIFEST_NAME).files}
    assert {file.name for file in there.iterdir()} == {".gitattributes", *names}
    assert hub.created == {REPO: "private"}
    assert hub.authorizations == {f"Bearer {SECRET}"}
    assert describe_model(there, "x").content_id == read_manifest(made / MANIFEST_NAME).content_id
    assert load_tensors(there).keys() == load_tensors(made).keys()
    card = ModelCard.load(there / "README.md").data
    assert (card.license, card.base_model) == ("apache-2.0", ["team/0", "team/1"])
    for text in ("README.md", MANIFEST_NAME):
        assert str(tmp_path) not in (there / text).read_text()


def test_a_dry_run_lists_the_files_and_changes_nothing(publish, made, hub):
    done = publish("--dry-run")
    assert done.returncode == 0, done.stderr
    for name, record in read_manifest(made / MANIFEST_NAME).files.items():
        assert f"{record.bytes:,} bytes  {name}" in done.stdout
    assert f"{REPO}: will be made, private" in done.stdout
    assert not (hub.root / REPO).exists()


@pytest.mark.parametrize("licences", [(None, None), ("MIT", "Apache-2.0")])
def test_a_licence_that_the_models_do_not_share_must_be_given(publish, made, hub, licences):
    from_the_hub(made / MANIFEST_NAME, *licences)
    done = publish(licence=None)
    assert done.returncode == 1
    assert "the licence is not known (" in done.stderr
    assert f"team/1@{'1' * 40}: {licences[1] or 'not stated'}" in done.stderr
    assert not (hub.root / REPO).exists()


def test_a_repository_that_holds_files_is_overwritten_only_on_demand_and_loses_old_weights(publish, made, hub):
    there = hub.root / REPO
    shutil.copytree(hub.root / "team" / "tiny", there)
    (there / "picture.png").write_bytes(b"mine")
    done = publish()
    assert done.returncode == 1
    assert f"{REPO}: already holds files; give --yes to overwrite them" in done.stderr
    assert (there / "model-00001-of-00002.safetensors").is_file()
    done = publish("--yes")
    assert done.returncode == 0, done.stderr
    old = "model-00001-of-00002.safetensors, model-00002-of-00002.safetensors, model.safetensors.index.json"
    assert f"{old} will be removed" in done.stdout
    assert describe_model(there, "x").content_id == read_manifest(made / MANIFEST_NAME).content_id
    assert (there / "picture.png").read_bytes() == b"mine"


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_in_a_terminal_it_asks_before_it_overwrites(publish, hub, answer, code):
    shutil.copytree(hub.root / "team" / "tiny", hub.root / REPO)
    ours, theirs = os.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = publish(stdin=theirs)
    assert f"Overwrite {REPO}? [y/N]" in done.stdout
    assert (done.returncode, (hub.root / REPO / MANIFEST_NAME).is_file()) == (code, code == 0)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ({"create": [("status", 401)]}, "log in with 'hf auth login'"),
        ({"create": [("status", 403)]}, "your token may not write there"),
        ({"commit": [("status", 412)]}, "somebody has changed the repository meanwhile"),
        ({"commit": [("status", 500)]}, "run again later; files that have arrived are kept"),
    ],
)
def test_what_the_hub_refuses_comes_with_a_remedy(publish, hub, fault, remedy):
    hub.faults.update(fault)
    done = publish()
    assert done.returncode == 1
    assert remedy in done.stderr


def test_after_a_fault_weights_that_have_arrived_are_not_sent_again(publish, hub):
    hub.faults["commit"] = [("status", 500)]
    assert publish().returncode == 1
    sent = hub.puts
    assert publish("--yes").returncode == 0
    assert hub.puts == sent > 0


def test_a_model_that_was_not_made_here_is_not_published(made, publish):
    write_manifest(describe_model(made, "x"), made / MANIFEST_NAME)
    done = publish()
    assert "the model was not made here; publish one that was merged or trained" in done.stderr
