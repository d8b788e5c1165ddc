"""What a network does to downloads: they are resumed, tried again and verified; nothing else is taken for the model.

Tested is the hub client's plain HTTP transfer, against a mirror on loopback. Files that the real hub keeps in Xet
storage come by its other transfer (hf_xet) unless HF_HUB_DISABLE_XET is set. Of that, only the refusal is tested: it
needs Xet's servers, and tries again by itself, for over four minutes. Whichever way a file came, it is compared with
the sha256 that the hub announced.
"""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml
from hub_mirror import COMMIT, SOURCE
from huggingface_hub.errors import HfHubHTTPError
from support import ROOT, TOKEN, holds

from l2s.checkpoints.manifest import MANIFEST_NAME, read_manifest
from l2s.checkpoints.model_entry import ModelEntry
from l2s.checkpoints.weights import describe_model
from l2s.errors import UserError
from l2s.files import sha256_file
from l2s.sources import models
from l2s.sources.pinning import rows_digest

pytestmark = pytest.mark.slow

WEIGHTS = "model-00001-of-00002.safetensors"
ROWS = '{"question": "1+1?", "answer": "2"}\n{"question": "2+2?", "answer": "4"}\n'
CLEAN = [
    {"question_id": "0", "question": "1+1?", "gold": "2", "level": None},
    {"question_id": "1", "question": "2+2?", "gold": "4", "level": None},
]


def pinned(hub):
    return describe_model(hub.root / "team" / "tiny", "x").content_id


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([("status", 429)], ""),
        ([("status", 503), ("status", 500)], "download broke off (Server error '503"),
        ([("drop", 1500)], ""),
        ([("reset", 1500)], "download broke off"),
        ([("short", 1500)], "download broke off (Consistency check failed"),
        ([("altered", 1500)], f"{WEIGHTS} of team/tiny is damaged in the cache: downloading it again"),
    ],
)
def test_passing_fault_delays_the_download_and_the_model_is_the_pinned_one(hub, fetch, tmp_path, faults, said):
    hub.faults[WEIGHTS] = list(faults)
    done = fetch()
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout
    assert len(hub.downloads(WEIGHTS)) == len(faults) + 1
    assert read_manifest(tmp_path / "out" / MANIFEST_NAME).content_id == pinned(hub)


def test_listing_is_asked_for_again_when_the_hub_is_busy(hub, fetch, tmp_path):
    hub.faults["tree"] = [("status", 503), ("status", 429)]
    assert fetch().returncode == 0
    assert read_manifest(tmp_path / "out" / MANIFEST_NAME).content_id == pinned(hub)


def test_file_that_always_comes_altered_is_never_taken(hub, fetch, tmp_path):
    hub.faults[WEIGHTS] = [("altered", 1500)] * 4
    for _ in range(2):
        done = fetch()
        assert done.returncode == 1
        assert "its digest is not the one the hub gave, even after a second download" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out" / MANIFEST_NAME).exists()
        hub.faults[WEIGHTS] = hub.faults[WEIGHTS][:1]
    assert fetch().returncode == 0


def test_killed_download_leaves_nothing_that_looks_whole_and_the_next_one_completes_it(
    hub, hub_environment, fetch, tmp_path
):
    hub.faults[WEIGHTS] = [("stall", 1500)]
    command = [sys.executable, str(ROOT / "scripts/fetch_model.py"), "--source", SOURCE, "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, env=hub_environment, stdout=subprocess.DEVNULL) as process:
        while not hub.stalled.wait(0.1):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()
    assert fetch(online=False).returncode == 1
    assert fetch().returncode == 0
    assert read_manifest(tmp_path / "out" / MANIFEST_NAME).content_id == pinned(hub)


def test_waits_grow_and_end_in_an_error_that_names_the_remedy(monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    monkeypatch.setattr(models, "snapshot_download", failing(503))
    with pytest.raises(UserError, match=r"could not be downloaded \(busy\); .* files that have arrived are kept"):
        models.fetch_model(ModelEntry.of(SOURCE), "entry")
    assert waits == [1, 2, 4, 8, 16]


def test_refusal_is_not_tried_again(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: pytest.fail("waited"))
    monkeypatch.setattr(models, "snapshot_download", failing(403))
    with pytest.raises(UserError, match="could not be downloaded"):
        models.fetch_model(ModelEntry.of(SOURCE), "entry")


def failing(status):
    def download(*_, **__):
        raise HfHubHTTPError("busy", response=SimpleNamespace(status_code=status, headers={}, request=None))

    return download


def test_failing_xet_transfer_is_an_error_that_names_the_other_way(hub, fetch, tmp_path):
    hub.xet = True
    done = fetch(HF_HUB_DISABLE_XET="0")
    assert done.returncode == 1
    assert "could not be downloaded (Task error" in done.stderr and "HF_HUB_DISABLE_XET=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert fetch(HF_HUB_DISABLE_XET="1").returncode == 0
    assert read_manifest(tmp_path / "out" / MANIFEST_NAME).content_id == pinned(hub)


@pytest.mark.parametrize(("licence", "named"), [("Gemma", "accept its licence (Gemma) on"), (None, "its licence on")])
def test_gated_repository_says_which_licence_to_accept_where_and_how_to_log_in(hub, fetch, licence, named):
    hub.gated.add("team/tiny")
    done = fetch(entry={"repo": "team/tiny", "revision": COMMIT, **({"licence": licence} if licence else {})})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the repository is gated" in line
    assert f"{named} https://huggingface.co/team/tiny, log in with 'hf auth login'" in line


def test_missing_repository_says_that_it_may_be_hidden(fetch):
    done = fetch(source=f"team/tyni@{COMMIT}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the hub has no such repository, or hides it from you: look at https://huggingface.co/team/tyni" in line
    assert "hf auth login" in line


def test_malformed_repository_name_is_an_error_of_one_line(fetch):
    done = fetch(entry={"repo": "a/b/c", "revision": COMMIT})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "a/b/c" in line


@pytest.fixture
def questions(hub, hub_environment, tmp_path):
    """Load a benchmark whose file lies on the mirror, as on any web server -> finished process."""
    file = hub.root / "web" / "sums" / "test.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(ROWS)
    entry = {
        "source": {"url": f"{hub.endpoint}/raw/web/sums/test.jsonl", "file_sha256": sha256_file(file)},
        "question": {"column": "question"},
        "gold": {"column": "answer"},
        "rows": 2,
        "sha256": rows_digest(CLEAN),
    }
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(entry))
    command = [sys.executable, str(ROOT / "scripts/load_questions.py"), "--entry", str(tmp_path / "sums.yaml")]
    command += ["--out", str(tmp_path / "sums.parquet")]

    def run(**environment):
        environment = {**hub_environment, **environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_file_of_the_web_is_downloaded_once(hub, questions, tmp_path):
    assert questions().returncode == 0
    assert pq.read_table(tmp_path / "sums.parquet")["gold"].to_pylist() == ["2", "4"]
    assert questions(HF_HUB_OFFLINE="1").returncode == 0
    assert len(hub.downloads("test.jsonl")) == 1


@pytest.mark.parametrize("fault", [("status", 429), ("status", 503), ("drop", 20), ("reset", 20)])
def test_file_of_the_web_is_asked_for_again_after_a_fault(hub, questions, fault):
    hub.faults["test.jsonl"] = [fault]
    done = questions()
    assert done.returncode == 0, done.stderr
    assert len(hub.downloads("test.jsonl")) == 2


@pytest.mark.parametrize("fault", [("altered", 20), ("short", 36)])
def test_file_of_the_web_that_is_not_the_pinned_one_is_refused_and_not_kept(hub, questions, tmp_path, fault):
    hub.faults["test.jsonl"] = [fault]
    done = questions()
    assert done.returncode == 1
    assert "the sha256 of the file is" in done.stderr
    assert not (tmp_path / "sums.parquet").exists()
    assert questions().returncode == 0


def test_file_of_the_web_without_network_names_the_local_way(questions):
    done = questions(HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "could not be read" in done.stderr and "'benchmark_files'" in done.stderr
    assert "Traceback" not in done.stderr


def test_access_token_is_sent_to_the_hub_only_and_written_nowhere(hub, fetch, questions, tmp_path):
    outputs = [fetch(HF_TOKEN=TOKEN)]
    hub.gated.add("team/tiny")
    outputs += [fetch(HF_TOKEN=TOKEN, HF_HOME=str(tmp_path / "other")), fetch(f"team/no@{COMMIT}", HF_TOKEN=TOKEN)]
    assert [done.returncode for done in outputs] == [0, 1, 1]
    assert f"Bearer {TOKEN}" in hub.authorizations
    hub.authorizations.clear()
    outputs.append(questions(HF_TOKEN=TOKEN))
    assert hub.authorizations == {None}
    assert not any(TOKEN in done.stdout + done.stderr for done in outputs)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"manifest.json", "sums.parquet", WEIGHTS} <= {path.name for path in written}
    assert not [path for path in written if holds(path, TOKEN)]
