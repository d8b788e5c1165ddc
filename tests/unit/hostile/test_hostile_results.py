"""Results folders: where none may be, and who may delete in one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hostile import refused
from support import ROOT

from l2s.experiment import Experiment
from l2s.experiment.results_folder import check_folder
from l2s.layout import Layout
from l2s.occupied import MARKER, alone, join, occupy
from l2s.unused import unused_paths

OWN, SYSTEM = "is the project's own folder, or above it", "belongs to the system"
PLACES = {
    **dict.fromkeys(["/", ".", "..", "./", "../..", "results/..", "/tmp/.."], OWN),
    **dict.fromkeys(
        ["config", "scripts", "scripts/l2s", "workflow/rules", "docs", "tests", "envs", "profiles", "./config/models"],
        "lies in the project's folder",
    ),
    **dict.fromkeys([".snakemake", ".git", ".venv/x", ".ci"], r"lies in the project's folder \."),
    **dict.fromkeys(["/etc", "/usr/x", "/proc/self/fd", "/sys", "/dev/null", "/bin", "/lib/x", "/sbin"], SYSTEM),
    **dict.fromkeys(
        ["~", "~/results", "a{b}", "{checkpoint}", "a\nb", "a\0b", "a'b", 'a"b', "a*", "a?"], "a folder's name"
    ),
    "x" * 1001: "a folder's name",
    "x" * 300: "a folder's name",
    "README.md": "is, or lies below, the file",
    "README.md/x": "is, or lies below, the file",
    "/dev/shm/../../etc/x": SYSTEM,
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: repr(place[:20]))
@pytest.mark.parametrize("key", ["results", "scratch"])
def test_a_folder_that_belongs_to_something_else_or_cannot_be_is_refused(monkeypatch, key, place):
    monkeypatch.chdir(ROOT)
    with refused(rf"key '{key}' of the configuration: .*({PLACES[place]})"):
        check_folder(place, key)


@pytest.mark.parametrize(
    "place", ["results/mine", "results", "/tmp/l2s-new/results", "/dev/shm/results", "größe", "a b"]
)
def test_a_folder_of_its_own_is_accepted(monkeypatch, tmp_path, place):
    monkeypatch.chdir(tmp_path)
    check_folder(place, "results")
    assert not Path("/tmp/l2s-new").exists()


def test_a_folder_with_foreign_files_is_refused_and_one_of_earlier_results_is_not(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with refused("holds thesis.tex, which no run has made; name an empty or a new folder", tmp_path):
        check_folder(str(tmp_path), "results")
    check_folder(str(tmp_path), "scratch")
    (tmp_path / "checkpoints").mkdir()
    check_folder(str(tmp_path), "results")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with refused("cannot be written"):
        check_folder(str(tmp_path / "locked" / "results"), "results")


@pytest.mark.parametrize("results", [".", "config", "/"])
def test_a_configuration_with_such_a_folder_stops_before_anything_is_read(monkeypatch, results):
    monkeypatch.chdir(ROOT)
    with refused("key 'results' of the configuration"):
        Experiment({"results": results, "studies": ["no-such-study"], "merge_threads": 1}, ROOT / "config")


# ---- locks


def in_a_process(code, *arguments):
    """Start a process that does something in a results folder and then waits for a line on its standard input."""
    head = f"import sys\nsys.path.insert(0, {str(ROOT / 'scripts')!r})\nfrom pathlib import Path\n"
    text = f"{head}{code}\nprint('there', flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", text, *map(str, arguments)], **pipes)
    assert process.stdout.readline() == "there\n"
    return process


OCCUPY = "from l2s.occupied import occupy\noccupy(Path(sys.argv[1]), Path(sys.argv[2]))"
JOIN = "from l2s.occupied import join\njoin(Path(sys.argv[1]))"


@pytest.mark.parametrize("who", [OCCUPY, JOIN], ids=["a run", "a job whose run was killed"])
def test_nothing_is_deleted_while_somebody_works(tmp_path, who):
    (tmp_path / MARKER).write_text("")
    process = in_a_process(who, tmp_path, "project")
    with refused("a run or one of its jobs works in it; prune when it has ended"), alone(tmp_path):
        pass
    process.kill()
    process.wait()
    with alone(tmp_path):  # the lock went with its holder
        pass


def test_two_runs_of_one_project_share_a_results_folder_and_two_copies_do_not(tmp_path):
    process = in_a_process(OCCUPY, tmp_path, "here")
    occupy(tmp_path, Path("here"))
    with refused("a run of here works in it; wait for its end, or give this configuration another folder"):
        occupy(tmp_path, Path("elsewhere"))
    process.communicate("\n")


def test_a_run_does_not_start_while_results_are_pruned(tmp_path):
    (tmp_path / MARKER).write_text("project\n")
    with alone(tmp_path), refused("is being pruned; run again when that has ended"):
        occupy(tmp_path, Path("project"))


def test_a_folder_that_no_run_has_marked_is_not_pruned(tmp_path):
    with refused(f"has no file {MARKER}, .*: nothing is deleted there", tmp_path), alone(tmp_path):
        pass
    join(tmp_path)  # a job by hand, outside any run
    assert not list(tmp_path.iterdir())


# ---- prune


@pytest.fixture
def experiment(monkeypatch):
    """The demo's experiment."""
    monkeypatch.chdir(ROOT)
    values = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    return Experiment({"merge_threads": 2, **values}, ROOT / "config")


def test_kept_responses_stay_while_a_configured_checkpoint_has_no_manifest(experiment, tmp_path):
    layout = Layout(str(tmp_path))
    kept = Path(layout.store, "0123456789abcdef")
    kept.mkdir(parents=True)
    assert unused_paths(experiment, layout) == []
    for checkpoint in experiment.checkpoints:
        manifest = Path(layout.manifest(checkpoint))
        manifest.parent.mkdir(parents=True)
        text = {"kind": "fetched", "content_id": "f" * 64, "source": "x", "tensors": {}, "files": {}}
        manifest.write_text(json.dumps(text))
    assert unused_paths(experiment, layout) == [kept]


def test_prune_deletes_a_link_and_not_what_it_leads_to(experiment, tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT / "scripts"))
    import prune

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    link = tmp_path / "results" / "checkpoints" / "old"
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    layout = Layout(str(tmp_path / "results"))
    assert unused_paths(experiment, layout) == [link]
    assert prune.size_of(link) < 1000
    prune.remove(link)
    assert (outside / "precious").read_text() == "x"
    assert not link.is_symlink()


def test_a_folder_for_which_only_a_plan_was_made_is_accepted(tmp_path):
    (tmp_path / "logs").mkdir()
    check_folder(str(tmp_path), "results")
