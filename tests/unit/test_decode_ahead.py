"""Decoding ahead: jobs share a checkpoint's questions, one engine decodes several checkpoints; tokens stay the same."""

from itertools import chain

import pytest
from merges import merge
from support import DEMO

from l2s.checkpoints.weights import Checkpoint
from l2s.contracts.parquet import table_of
from l2s.contracts.questions import QUESTIONS
from l2s.decoding import run
from l2s.decoding.model import read_model
from l2s.decoding.run import decode, decode_ahead, prepare
from l2s.decoding.session import numeric_settings
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.share import WHOLE, Share
from l2s.decoding.stopping import Stops
from l2s.errors import UserError
from l2s.experiment.ahead import Ahead, groups
from l2s.files import read_json

CHAINS = ["3*4+9", "1+1", "7-2*3+4", "9*9", "5+5+5+5", "2*2*2", "8-3", "0+1-2+3-4"]
PROMPT = PromptEntry(template="Question: {question}\nAnswer:")


def settings(**changed):
    values = {"prompt": "demo", "max_new_tokens": 160, "engine": "transformers", "device": "cpu", "dtype": "float32"}
    return DecodingEntry(**{**values, "batch_size": 3, **changed})


@pytest.fixture
def checkpoints(tmp_path):
    """A merge of the demo pair, and its slow model."""
    merge({"method": "average", "dtype": "float32"}, DEMO / "quick", [DEMO / "slow"], tmp_path / "merged")
    return [Checkpoint.find(str(folder)) for folder in (tmp_path / "merged", DEMO / "slow")]


@pytest.fixture
def questions():
    rows = [
        {"benchmark": "chains", "question_id": str(number), "gold": "0", "question": f"From left to right: {text}"}
        for number, text in enumerate(CHAINS)
    ]
    return [table_of([{name: row.get(name) for name in QUESTIONS.names} for row in rows], QUESTIONS)]


@pytest.mark.slow
def test_shares_and_a_common_engine_fill_the_store_with_what_plain_decoding_gives(
    checkpoints, questions, tmp_path, monkeypatch
):
    drawn = settings(sampling={"temperature": 0.7, "seed": 5})
    expected, tokens = [], []
    for number, checkpoint in enumerate(checkpoints):
        out = tmp_path / f"alone{number}.parquet"
        decode(prepare(checkpoint, questions, {}, drawn, PROMPT, tmp_path / "alone"), out)
        expected.append(out.read_bytes())
        tokens.append(read_json(out.with_suffix(".json"), "?")["output_tokens"])
    assert expected[0] != expected[1]

    done = [tmp_path / f"{number}-of-2.json" for number in (1, 2)]
    for number, out in enumerate(done, 1):
        tasks = [prepare(one, questions, {}, drawn, PROMPT, tmp_path / "store") for one in checkpoints]
        decode_ahead(tasks, out, Share(number, 2))
    counts = [[one["decoded_now"] for one in read_json(file, "?")["checkpoints"]] for file in done]
    assert counts == [[5, 5], [3, 3]], "batches of three: the first and the third, the second"

    monkeypatch.setattr(run, "start_engine", lambda *_: pytest.fail("an engine was started"))
    for number, checkpoint in enumerate(checkpoints):
        out = tmp_path / f"read{number}.parquet"
        decode(prepare(checkpoint, questions, {}, drawn, PROMPT, tmp_path / "store"), out, ahead=done)
        assert out.read_bytes() == expected[number]
        said = read_json(out.with_suffix(".json"), "?")
        assert (said["decoded_now"], said["output_tokens"]) == (8, tokens[number])
        assert said["engine"]["device"] == "cpu" and said["decode_seconds"] > 0


def test_what_was_decoded_ahead_and_is_gone_is_told_with_the_remedy(checkpoints, questions, tmp_path):
    task = prepare(checkpoints[0], questions, {}, settings(device="cuda"), PROMPT, tmp_path / "store")
    with pytest.raises(UserError, match=f"8 responses are gone that were decoded ahead.*; delete {tmp_path}/a and run"):
        decode(task, tmp_path / "out.parquet", granted=0, ahead=[tmp_path / "a" / "1-of-2.json"])


@pytest.mark.slow
def test_a_share_that_is_there_starts_no_engine(checkpoints, questions, tmp_path, monkeypatch):
    task = prepare(checkpoints[0], questions, {}, settings(), PROMPT, tmp_path / "store")
    decode_ahead([task], tmp_path / "out.json")
    monkeypatch.setattr(run, "start_engine", lambda *_: pytest.fail("an engine was started"))
    decode_ahead([task], tmp_path / "out.json", Share(2, 2))
    (said,) = read_json(tmp_path / "out.json", "?")["checkpoints"]
    assert (said["responses"], said["decoded_now"]) == (3, 0)


def test_what_responses_are_kept_by_does_not_tell_how_jobs_share_them():
    model = read_model(DEMO / "slow", settings())
    stops = Stops.of(model.tokenizer, model.stop_ids, ())
    shared = settings(replicas=2, checkpoints_per_engine=3)
    assert numeric_settings(shared, {}, 2048, stops) == numeric_settings(settings(), {}, 2048, stops)


@pytest.mark.parametrize("count", range(1, 8))
def test_shares_are_disjoint_and_leave_nothing_out(count):
    parts = [Share.parse(f"{number}-of-{count}").of(CHAINS) for number in range(1, count + 1)]
    assert sorted(chain.from_iterable(parts)) == sorted(CHAINS)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert WHOLE.of(CHAINS) == CHAINS


@pytest.mark.parametrize("text", ["0-of-2", "3-of-2", "2", "two of three", "1-of-2.json"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(UserError, match="written like 2-of-4"):
        Share.parse(text)


def test_jobs_are_grouped_by_what_one_engine_can_decode():
    several = settings(checkpoints_per_engine=2)
    names = ["p/m/1", "p/m/2", "p/m/3"]
    found = groups([*(((name, "s"), several, "alike") for name in names), (("models/x", "s"), several, "x")])
    assert found == dict.fromkeys([("p/m/1", "s"), ("p/m/2", "s")], Ahead(("p/m/1", "p/m/2"), 1))
    shared = settings(replicas=3)
    assert groups([(("models/x", "s"), shared, "x")])["models/x", "s"].names == ["1-of-3", "2-of-3", "3-of-3"]
    assert groups([(("models/x", "s"), settings(), "x")]) == {}
