"""Decoding with the real demo pair: repeatable, resumable through the store, every token and ending accounted for."""

import shutil

import pytest
import torch
from support import DEMO
from transformers import AutoModelForCausalLM

from l2s.config import validate
from l2s.decoding.engines import transformers_engine
from l2s.decoding.engines.interface import Request
from l2s.decoding.responses import RESPONSES
from l2s.decoding.session import Question, Session, numeric_settings, read_model
from l2s.decoding.settings import DecodingEntry, PromptEntry, Sampling
from l2s.decoding.store import ResponseStore, request_key
from l2s.errors import UserError

PROMPT = PromptEntry(template="Question: {question}\nAnswer:")
SLOW = DEMO / "slow"
CHAINS = ["3*4+9", "1+1", "7-2*3+4", "9*9", "5+5+5+5", "2*2*2", "8-3", "0+1-2+3-4"]


def questions(count=None, benchmark="chains"):
    text = "From left to right, modulo 10: "
    return [Question(benchmark, str(number), text + chain) for number, chain in enumerate(CHAINS[:count])]


def settings(**changed):
    values = {"prompt": "demo", "max_new_tokens": 160, "engine": "transformers", "device": "cpu", "dtype": "float32"}
    return DecodingEntry(**{**values, "batch_size": 3, **changed})


@pytest.fixture
def decode(tmp_path):
    """Run a session on the slow demo model: decode(settings, benchmarks) -> (rows, session)."""

    def run(chosen, benchmarks, store="store", start=None):
        model = read_model(SLOW, chosen)
        keep = ResponseStore(tmp_path / store, "c" * 64, numeric_settings(chosen, {"torch": "x"}, model))
        begin = start or (lambda: transformers_engine.start(SLOW, chosen, model.stop_ids))
        session = Session(model, chosen, PROMPT, keep, begin)
        table = session.run(benchmarks)
        assert table.schema.equals(RESPONSES)
        return table.to_pylist(), session

    return run


def must_not_start():
    raise AssertionError("the engine was started although nothing is missing")


def test_batched_greedy_equals_one_at_a_time_generation_by_transformers(decode):
    rows, _ = decode(settings(), [questions()])
    model = AutoModelForCausalLM.from_pretrained(SLOW, dtype=torch.float32)
    tokenizer = read_model(SLOW, settings()).tokenizer
    for row, question in zip(rows, questions(), strict=True):
        prompt = torch.tensor([tokenizer.encode(PROMPT.render(question.text))])
        expected = model.generate(prompt, max_new_tokens=160, do_sample=False)[0, prompt.shape[1] :].tolist()
        assert row["output_ids"] == expected
        assert row["output_tokens"] == len(expected)
        assert row["finish_reason"] == "stop"
        assert row["prompt_tokens"] == prompt.shape[1]
        assert "\\boxed{" in row["text"] and "<|endoftext|>" not in row["text"]


def test_what_the_store_holds_is_not_decoded_again(decode):
    first, _ = decode(settings(), [questions()])
    again, session = decode(settings(), [questions()], start=must_not_start)
    assert again == first
    assert session.facts["decoded_now"] == 0


def test_a_further_benchmark_decodes_only_its_own_questions(decode):
    decode(settings(), [questions(4)])
    others = [Question("others", "x", "From left to right, modulo 10: 6+7*8")]
    rows, session = decode(settings(), [questions(4), others])
    assert session.facts["decoded_now"] == 1
    assert [row["benchmark"] for row in rows] == ["chains"] * 4 + ["others"]


def test_responses_lost_from_the_store_come_out_the_same(decode, tmp_path):
    first, session = decode(settings(), [questions()])
    chunks = sorted(session.store.folder.glob("*.parquet"))
    chunks[1].unlink()
    again, session = decode(settings(), [questions()])
    assert again == first
    assert 0 < session.facts["decoded_now"] < len(first)


def test_damaged_chunk_is_reported_and_decoded_again(decode, capsys):
    first, session = decode(settings(), [questions()])
    chunk = sorted(session.store.folder.glob("*.parquet"))[0]
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    again, _ = decode(settings(), [questions()])
    assert again == first
    assert f"{chunk}: damaged" in capsys.readouterr().out


@pytest.mark.parametrize("changed", [{"max_new_tokens": 150}, {"dtype": "bfloat16"}, {"batch_size": 2}])
def test_other_numeric_settings_have_a_store_of_their_own(decode, changed):
    decode(settings(), [questions(2)])
    _, session = decode(settings(**changed), [questions(2)])
    assert session.facts["decoded_now"] == 2


def test_budget_and_window_are_told_apart(decode):
    rows, _ = decode(settings(max_new_tokens=5), [questions(2)])
    assert {(row["finish_reason"], row["output_tokens"]) for row in rows} == {("length", 5)}
    longest = max(row["prompt_tokens"] for row in rows)
    rows, _ = decode(settings(window=longest + 3), [questions(2)])
    assert {row["finish_reason"] for row in rows} == {"window"}
    assert all(row["prompt_tokens"] + row["output_tokens"] == longest + 3 for row in rows)


def test_prompt_that_leaves_no_room_is_kept_as_too_long(decode):
    shortest = len(read_model(SLOW, settings()).tokenizer.encode(PROMPT.render(questions()[1].text)))
    rows, _ = decode(settings(window=shortest), [questions()], start=must_not_start)
    assert {(row["finish_reason"], row["output_tokens"], row["text"]) for row in rows} == {("prompt_too_long", 0, "")}


def test_window_beyond_the_model_is_refused():
    with pytest.raises(UserError, match=r"window of 100000, but .*slow has 2048"):
        read_model(SLOW, settings(window=100_000))


def test_model_without_end_token_or_tokenizer_is_refused(tmp_path):
    folder = shutil.copytree(SLOW, tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="tokenizer cannot be loaded"):
        read_model(folder, settings())


def test_missing_cuda_device_is_an_error_and_no_fallback(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="there is no CUDA device"):
        transformers_engine.start(SLOW, settings(device="cuda"), frozenset({0}))


def test_sampled_responses_repeat_by_seed_and_differ_by_sample(decode):
    hot = {"temperature": 1.5, "samples": 3, "seed": 1}
    rows, _ = decode(settings(sampling=hot), [questions(3)], "a")
    again, _ = decode(settings(sampling=hot), [questions(3)], "b")
    other, _ = decode(settings(sampling={**hot, "seed": 2}), [questions(3)], "c")
    assert rows == again
    assert [row["sample"] for row in rows] == [0, 1, 2] * 3
    assert len({tuple(row["output_ids"]) for row in rows[:3]}) > 1
    assert [row["output_ids"] for row in rows] != [row["output_ids"] for row in other]


@pytest.mark.parametrize(
    ("sampling", "draw", "token"),
    [
        ({"temperature": 1.0}, 0.0, 1),
        ({"temperature": 1.0}, 0.49, 1),
        ({"temperature": 1.0}, 0.51, 2),
        ({"temperature": 1.0}, 0.94, 0),
        ({"temperature": 1.0}, 0.999999, 3),
        ({"temperature": 1.0, "top_k": 2}, 0.999999, 2),
        ({"temperature": 1.0, "top_p": 0.5}, 0.999999, 1),
        ({"temperature": 1.0, "top_p": 0.6}, 0.999999, 2),
    ],
)
def test_sampling_inverts_the_cumulative_distribution(sampling, draw, token):
    shares = torch.tensor([[0.2, 0.5, 0.25, 0.05]])
    chosen = transformers_engine.sample(shares.log(), torch.tensor([draw]), Sampling(**sampling))
    assert chosen.tolist() == [token]


def test_request_keys_depend_on_prompt_and_sample():
    keys = {request_key([1, 2], 0), request_key([1, 2], 1), request_key([1, 258], 0), request_key([1], 0)}
    assert len(keys) == 4


def test_any_text_can_be_a_prompt():
    tokenizer = read_model(SLOW, settings()).tokenizer
    for text in ("naïve café – 你好 🙂", "\\frac{1}{2} $x^2$", "tabs\t\nand  spaces\x00"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    engine = transformers_engine.start(SLOW, settings(), frozenset({tokenizer.eos_token_id}))
    request = Request("k", tuple(tokenizer.encode("你好 🙂")), 4, "length")
    (completions,) = engine.decode([[request]])
    assert len(completions[0].output_ids) <= 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"template": "no place"}, "must hold {question} exactly once"),
        ({"template": "{question} {question}"}, "must hold {question} exactly once"),
        ({"template": "{question}", "stop": []}, "unknown key 'stop'"),
    ],
)
def test_wrong_prompt_entry_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        validate(PromptEntry, values, "prompt.yaml")


def test_greedy_with_several_samples_is_refused():
    with pytest.raises(UserError, match=r"sampling.*set 'samples' to 1"):
        validate(DecodingEntry, {**settings().model_dump(), "sampling": {"samples": 4}}, "d.yaml")
