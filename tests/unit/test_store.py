"""The response store: chunks that name their own content, and a lock, so that nothing is decoded or written twice."""

import errno
import os
import threading
import time

import pyarrow.parquet as pq
import pytest

from l2s.contracts import chunks as chunk_files
from l2s.decoding import store as module
from l2s.decoding.engines.interface import Completion
from l2s.decoding.share import Share
from l2s.decoding.store import ResponseStore, request_key
from l2s.errors import UserError

COMPLETIONS = [Completion(f"key{number}", (number, 2, 3), "stop") for number in range(6)]


def open_store(folder):
    return ResponseStore(folder, "c" * 64, {"engine": "none"})


def kept(store):
    return {one.key: one for one in store.read(store.known)}


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    store.add(COMPLETIONS[:3])
    store.add(COMPLETIONS[3:5])
    return store


def chunks(store):
    return sorted(store.folder.glob("*.parquet"))


def test_what_was_added_is_there_for_the_next_job(store, tmp_path):
    assert kept(open_store(tmp_path)) == {one.key: one for one in COMPLETIONS[:5]}


def test_opening_decodes_keys_and_no_tokens(tmp_path, monkeypatch):
    open_store(tmp_path).add([Completion("short", (1,), "stop"), Completion("long", (1, 2, 3, 4, 5), "stop")])
    decoded, read = [], pq.ParquetFile.read
    monkeypatch.setattr(pq.ParquetFile, "read", lambda file, columns: decoded.append(columns) or read(file, columns))
    store = open_store(tmp_path)
    assert decoded == [["key"]]
    assert {key: place.tokens for key, place in store.known.items()} == {"short": 3, "long": 3}, "the mean of both"


def test_what_is_known_is_not_written_again(store):
    before = chunks(store)
    store.add(COMPLETIONS[:5])
    assert chunks(store) == before
    store.add(COMPLETIONS)
    assert len(chunks(store)) == len(before) + 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: data[:-100],
        lambda data: b"",
        lambda data: data + b"x",
    ],
    ids=["flipped bit", "cut off", "empty", "too long"],
)
def test_damaged_chunk_is_reported_and_given_up(store, tmp_path, capsys, damage):
    chunk = chunks(store)[0]
    chunk.write_bytes(damage(chunk.read_bytes()))
    again = open_store(tmp_path)
    assert f"{chunk}: damaged" in capsys.readouterr().out
    assert not chunk.exists()
    assert len(again.known) in (2, 3)
    with again.locked():
        again.add(COMPLETIONS[:5])
    assert kept(open_store(tmp_path)) == {one.key: one for one in COMPLETIONS[:5]}
    assert chunk.exists()  # the same completions make the same chunk


def test_many_small_chunks_are_put_together_and_a_job_that_knew_them_finds_them_there(store, tmp_path, monkeypatch):
    monkeypatch.setattr(chunk_files, "MANY", 2)
    earlier = open_store(tmp_path)
    with store.locked():
        store.add(COMPLETIONS[5:])
    assert len(chunks(store)) == 1
    everything = {one.key: one for one in COMPLETIONS}
    assert kept(store) == kept(open_store(tmp_path)) == everything
    assert list(earlier.read(["key4", "key0"])) == [COMPLETIONS[4], COMPLETIONS[0]]


def test_completions_come_in_the_order_asked_for_whatever_fits_into_memory(store, monkeypatch):
    wanted = [COMPLETIONS[place] for place in (4, 0, 3, 0, 2)]
    for room in (1, 4, 1000):
        monkeypatch.setattr(module, "TOKENS_AT_A_TIME", room)
        assert list(store.read(one.key for one in wanted)) == wanted


def test_a_chunk_that_vanished_is_an_error_that_says_to_run_again(store):
    for chunk in chunks(store):
        chunk.unlink()
    with pytest.raises(UserError, match=r"was damaged or deleted while a job read it; run again"):
        list(store.read(["key0"]))


def test_request_keys_depend_on_prompt_and_sample():
    keys = {request_key([1, 2], 0), request_key([1, 2], 1), request_key([1, 258], 0), request_key([1], 0)}
    assert len(keys) == 4


def test_second_job_waits_for_the_first_and_takes_in_what_it_decoded(store, tmp_path, monkeypatch):
    second, told, waited = open_store(tmp_path), [], threading.Event()
    monkeypatch.setattr("builtins.print", lambda line, **_: told.append(line))

    def wait():
        with second.locked():
            waited.set()

    with store.locked():
        waiting = threading.Thread(target=wait)
        waiting.start()
        while not told:
            assert waiting.is_alive()
            time.sleep(0.01)
        assert told == [f"{store.folder}: another job is decoding the same responses; waiting for it"]
        store.add(COMPLETIONS[5:])
        assert not waited.is_set()
    waiting.join()
    assert waited.is_set()
    assert kept(second) == {one.key: one for one in COMPLETIONS}


def test_files_that_a_killed_job_left_half_written_go_with_the_next_lock(store):
    left = store.folder / ".abc.parquet.x1.partial"
    left.write_bytes(b"half")
    with store.locked():
        assert not left.exists()
    assert len(chunks(store)) == 2


def test_what_another_job_is_writing_stays_where_jobs_share_the_questions(store):
    left, writing = (store.folder / f".{name}.parquet.x1.partial" for name in ("abc", "def"))
    for file in (left, writing):
        file.write_bytes(b"half")
    os.utime(left, times=(time.time() - 3601,) * 2)
    with store.locked(Share(2, 3)):
        assert not left.exists() and writing.exists()


def test_jobs_with_other_shares_do_not_wait_for_each_other_and_put_only_their_own_chunks_together(store, monkeypatch):
    monkeypatch.setattr("l2s.contracts.chunks.MANY", 2)
    before = set(chunks(store))
    store, other = open_store(store.folder.parents[1]), open_store(store.folder.parents[1])
    with store.locked(Share(1, 2)), other.locked(Share(2, 2)):
        for one in range(2):
            other.add([Completion(f"new {one}", (1, 2), "stop")])
        assert len(set(chunks(store)) - before) == 2
    assert before < set(chunks(store)) and len(set(chunks(store)) - before) == 1, "the first ones are not the job's own"
    assert {"new 0", "new 1"} <= open_store(store.folder.parents[1]).known.keys()


def test_a_store_does_not_mix_kinds_of_devices(store):
    for _ in range(2):
        store.claim_device("NVIDIA H200")
    with pytest.raises(
        UserError, match=r"decoded on NVIDIA H200, and this job runs on NVIDIA A100.*or delete the folder"
    ):
        store.claim_device("NVIDIA A100")


def test_file_system_without_locks_is_an_error(store, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.FileLock, "acquire", refuse)
    with (
        pytest.raises(UserError, match=r"cannot be locked \(No locks available\); put 'results' on a file system"),
        store.locked(),
    ):
        pass
