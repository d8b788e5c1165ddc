"""Decoding with the real demo pair: repeatable, resumable through the store, every token and ending accounted for."""

import shutil

import published_tokenizers
import pyarrow as pa
import pytest
import torch
from support import DEMO
from transformers import AutoModelForCausalLM

from l2s.config import validate
from l2s.contracts.responses import AS_DECODED, RESPONSES, readings
from l2s.decoding.engines import transformers_engine
from l2s.decoding.engines.interface import Completion, Request
from l2s.decoding.model import read_model
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session, numeric_settings
from l2s.decoding.settings import DecodingEntry, PromptEntry, Role, Sampling
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
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

    def run(chosen, benchmarks, store="store", start=None, prompt=PROMPT, folder=SLOW, cuts=(AS_DECODED,)):
        model = read_model(folder, chosen)
        stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
        numeric = numeric_settings(chosen, {"torch": "x"}, model.context_length, stops)
        keep = ResponseStore(tmp_path / store, "c" * 64, numeric)
        begin = start or (lambda: transformers_engine.start(SLOW, chosen, stops))
        session = Session(model.context_length, chosen, Prompt(prompt, model.tokenizer), stops, keep, benchmarks)
        session.fill(begin)
        table = pa.concat_tables(session.tables(cuts))
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
        prompt = torch.tensor([tokenizer.encode(Prompt(PROMPT, tokenizer).text("chains", question.text))])
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


def test_a_question_of_two_benchmarks_is_decoded_and_counted_once(decode, capsys):
    rows, session = decode(settings(), [questions(2), questions(2, "again")])
    assert [row["output_ids"] for row in rows[:2]] == [row["output_ids"] for row in rows[2:]]
    assert session.facts["decoded_now"] == 2
    assert session.facts["output_tokens"] == sum(row["output_tokens"] for row in rows[:2])
    assert "0 of 2 responses are in the store, 2 are to be decoded" in capsys.readouterr().out


def test_a_question_is_tokenized_once_for_all_its_samples(decode, monkeypatch):
    texts, ids = [], Prompt.ids
    monkeypatch.setattr(Prompt, "ids", lambda prompt, text: texts.append(text) or ids(prompt, text))
    with pytest.raises(AssertionError, match="the engine was started"):
        decode(settings(sampling={"temperature": 1.0, "samples": 5}), [questions(3)], start=must_not_start)
    assert len(texts) == 3 + 1, "once more for the log"


def test_log_shows_the_first_prompt_as_ids_and_as_text(decode, capsys):
    decode(settings(), [questions(2)])
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == "first prompt, 21 tokens: 257 26 259 260 261 262 12 263 221 17 16 26 221 19 10 20 11 25 199 258 26"
    assert second == r"first prompt, its text: 'Question: From left to right, modulo 10: 3*4+9\nAnswer:'"


def test_prompt_that_does_not_fit_the_tokenizer_stops_before_the_engine_starts(decode, tmp_path):
    folder = published_tokenizers.deepseek(tmp_path / "deepseek")
    shutil.copyfile(SLOW / "config.json", folder / "config.json")
    with pytest.raises(UserError, match="set the prompt's 'add_special_tokens' to true"):
        decode(settings(), [questions()], folder=folder, start=must_not_start)


def test_responses_lost_from_the_store_come_out_the_same(decode, tmp_path):
    first, session = decode(settings(), [questions()])
    chunks = sorted(session.store.folder.glob("*.parquet"))
    chunks[1].unlink()
    again, session = decode(settings(), [questions()])
    assert again == first
    assert 0 < session.facts["decoded_now"] < len(first)


@pytest.mark.parametrize("changed", [{"max_new_tokens": 150}, {"dtype": "bfloat16"}, {"batch_size": 2}])
def test_other_numeric_settings_have_a_store_of_their_own(decode, changed):
    decode(settings(), [questions(2)])
    _, session = decode(settings(**changed), [questions(2)])
    assert session.facts["decoded_now"] == 2


def test_budget_and_window_are_told_apart(decode):
    rows, _ = decode(settings(max_new_tokens=5), [questions(2)])
    assert {(row["finish_reason"], row["output_tokens"]) for row in rows} == {("length", 5)}
    longest = max(row["prompt_tokens"] for row in rows)
    rows, _ = decode(settings(context_length=longest + 3), [questions(2)])
    assert {row["finish_reason"] for row in rows} == {"context_length"}
    assert all(row["prompt_tokens"] + row["output_tokens"] == longest + 3 for row in rows)


@pytest.mark.parametrize(
    ("room", "reason", "tokens"),
    [(6, "length", 5), (5, "length", 5), (4, "context_length", 4), (1, "context_length", 1)],
)
def test_what_does_not_fit_shortens_the_response_and_says_so(decode, room, reason, tokens):
    ((row,), _) = decode(settings(max_new_tokens=5), [questions(1)])
    context_length = row["prompt_tokens"] + room
    ((row,), _) = decode(settings(max_new_tokens=5, context_length=context_length), [questions(1)])
    assert (row["finish_reason"], row["output_tokens"]) == (reason, tokens)


@pytest.mark.parametrize("stop", ["Wait", "k. 3*4", "=2. 2+9=1. Wait, let me"])
def test_stop_string_ends_a_response_with_the_token_that_completes_it(decode, stop):
    ((free,), _) = decode(settings(), [questions(1)])
    ((row,), _) = decode(settings(), [questions(1)], prompt=PROMPT.model_copy(update={"stop": (stop,)}))
    assert row["finish_reason"] == "stop"
    assert row["text"] == free["text"][: free["text"].index(stop)]
    assert row["output_ids"] == free["output_ids"][: row["output_tokens"]]
    spelt = read_model(SLOW, settings()).tokenizer.decode
    assert stop in spelt(row["output_ids"]) and stop not in spelt(row["output_ids"][:-1])


def test_stop_string_on_the_last_token_of_the_budget_ends_the_response_by_itself(decode):
    stopping = PROMPT.model_copy(update={"stop": ("Wait",)})
    ((row,), _) = decode(settings(), [questions(1)], prompt=stopping)
    ((again,), _) = decode(settings(max_new_tokens=row["output_tokens"]), [questions(1)], prompt=stopping)
    ((cut,), _) = decode(settings(max_new_tokens=row["output_tokens"] - 1), [questions(1)], prompt=stopping)
    assert (again["finish_reason"], again["output_ids"]) == ("stop", row["output_ids"])
    assert (cut["finish_reason"], cut["output_ids"]) == ("length", row["output_ids"][:-1])


@pytest.mark.parametrize("stop", [(), ("Wait",)], ids=["no stop string", "a stop string"])
def test_a_response_cut_at_a_budget_is_what_decoding_with_that_budget_gives(decode, stop):
    prompt, budgets = PROMPT.model_copy(update={"stop": stop}), (4, 16, 32, 64)
    cut, _ = decode(settings(), [questions()], prompt=prompt, cuts=readings(budgets=budgets))
    for budget in budgets:
        anew, _ = decode(settings(max_new_tokens=budget), [questions()], store=f"{budget}", prompt=prompt)
        read = [row | {"budget": None} for row in cut if row["budget"] == budget]
        assert read == anew, budget
    assert {row["finish_reason"] for row in cut if row["budget"] == 4} == {"length"}


def test_a_drawn_response_cut_at_a_budget_is_what_decoding_with_that_budget_gives(decode):
    drawn = {"sampling": {"temperature": 0.7, "samples": 2, "seed": 3}}
    cut, _ = decode(settings(**drawn), [questions(3)], cuts=readings(budgets=[16]))
    anew, _ = decode(settings(**drawn, max_new_tokens=16), [questions(3)], store="anew")
    assert [row | {"budget": None} for row in cut if row["budget"] == 16] == anew


def test_other_budgets_are_read_from_the_store_without_an_engine(decode):
    decode(settings(), [questions()])
    rows, _ = decode(settings(), [questions()], start=must_not_start, cuts=readings(read_at=[30], budgets=[8]))
    assert {(row["read_at"], row["budget"]) for row in rows} == {(None, None), (30, None), (None, 8)}


class Scripted:
    """An engine that gives every request the same answer."""

    def __init__(self, output_ids, reason):
        self.output_ids, self.reason = tuple(output_ids), reason

    def facts(self):
        return {"device": "cpu"}

    def decode(self, batches, heard):
        for batch in batches:
            yield [Completion(request.key, self.output_ids, self.reason) for request in batch]


@pytest.mark.parametrize(
    ("text", "reason", "closed", "period"),
    [
        ("<think>3*4=2.</think> 2", "stop", True, None),
        ("<think>" + "3*4=2. " * 100, "length", False, 7),
        ("3*4=2. " * 100, "context_length", None, 7),
        ("3*4=2. " * 100, "stop", None, None),
        ("3*4=2. " * 3, "length", None, None),
    ],
)
def test_rows_say_whether_thinking_was_closed_and_a_cut_response_loops(decode, text, reason, closed, period):
    ids = read_model(SLOW, settings()).tokenizer.encode(text)
    ((row,), _) = decode(settings(), [questions(1)], start=lambda: Scripted(ids, reason))
    assert (row["thinking_closed"], row["repetition"], row["text"]) == (closed, period, text)


def test_thinking_that_the_prompt_opens_counts(decode):
    opening = PromptEntry(template="{question}<think>\n")
    ((row,), _) = decode(settings(), [questions(1)], prompt=opening, start=lambda: Scripted([40], "length"))
    assert row["thinking_closed"] is False


def test_budget_goes_by_role_and_the_largest_counts():
    budgets = settings(max_new_tokens={"quick": 8, "slow": 10, "merged": 9})
    assert [budgets.for_roles([role]).max_new_tokens for role in Role] == [8, 10, 9]
    assert budgets.for_roles({Role.QUICK, Role.SLOW}).max_new_tokens == 10
    assert settings().for_roles([Role.QUICK]) == settings()


def test_window_may_go_by_role_and_is_the_models_where_it_says_nothing():
    lengths = settings(context_length={"quick": 100, "merged": 200})
    assert [lengths.for_roles([role]).context_length for role in Role] == [100, None, 200]
    assert [lengths.for_roles({Role.QUICK, other}).context_length for other in (Role.MERGED, Role.SLOW)] == [200, None]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"quick": 8, "slow": 10}, "'max_new_tokens' by role needs each of quick, slow, merged"),
        ({"quick": 8, "slow": 10, "merged": 0}, "key 'max_new_tokens.merged'"),
        ({"quick": 8, "slow": 10, "merge": 9}, "key 'max_new_tokens.merge"),
        (0, "key 'max_new_tokens': Input should be greater than 0"),
        ("many", "key 'max_new_tokens'"),
    ],
)
def test_wrong_budget_is_named_by_key(budget, message):
    with pytest.raises(UserError, match=message):
        validate(DecodingEntry, {**settings().model_dump(mode="json"), "max_new_tokens": budget}, "d.yaml")


def test_prompt_that_leaves_no_room_is_kept_as_too_long(decode, capsys):
    prompt = Prompt(PROMPT, read_model(SLOW, settings()).tokenizer)
    shortest = len(prompt.ids(prompt.text("chains", questions()[1].text)))
    rows, _ = decode(settings(context_length=shortest), [questions()], start=must_not_start)
    assert {(row["finish_reason"], row["output_tokens"], row["text"]) for row in rows} == {("prompt_too_long", 0, "")}
    assert f"{len(rows)} of {len(rows)} prompts do not fit the context length" in capsys.readouterr().out


def test_window_beyond_the_model_is_refused():
    with pytest.raises(UserError, match=r"context length of 100000, but .*slow has 2048"):
        read_model(SLOW, settings(context_length=100_000))


def test_model_without_end_token_or_tokenizer_is_refused(tmp_path):
    folder = shutil.copytree(SLOW, tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="tokenizer cannot be loaded"):
        read_model(folder, settings())


def test_missing_cuda_device_is_an_error_and_no_fallback(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="there is no CUDA device"):
        transformers_engine.start(SLOW, settings(device="cuda"), Stops(frozenset({0}), (), None))


def test_sampled_responses_repeat_by_seed_and_differ_by_sample(decode):
    hot = {"temperature": 1.5, "samples": 3, "seed": 1}
    rows, _ = decode(settings(sampling=hot), [questions(3)], "a")
    again, _ = decode(settings(sampling=hot), [questions(3)], "b")
    other, _ = decode(settings(sampling={**hot, "seed": 2}), [questions(3)], "c")
    assert rows == again
    assert [row["sample"] for row in rows] == [0, 1, 2] * 3
    assert len({tuple(row["output_ids"]) for row in rows[:3]}) > 1
    assert [row["output_ids"] for row in rows] != [row["output_ids"] for row in other]


def test_samples_do_not_depend_on_what_else_is_decoded(decode):
    hot = {"temperature": 1.5, "top_p": 0.95, "top_k": 20, "samples": 4, "seed": 1}
    rows, _ = decode(settings(sampling=hot, batch_size=16), [questions(4)])
    for batch_size in (1, 5):
        again, _ = decode(settings(sampling=hot, batch_size=batch_size), [questions(4)])
        assert again == rows
    fewer, _ = decode(settings(sampling={**hot, "samples": 2}, batch_size=3), [questions(4)])
    assert fewer == [row for row in rows if row["sample"] < 2]


def test_the_likeliest_token_alone_is_greedy_at_any_temperature(decode):
    greedy, _ = decode(settings(), [questions(4)])
    for only in ({"top_k": 1}, {"top_p": 1e-6}):
        rows, _ = decode(settings(sampling={"temperature": 2.0, **only}), [questions(4)])
        assert rows == greedy


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


def test_any_text_can_be_a_prompt():
    tokenizer = read_model(SLOW, settings()).tokenizer
    for text in ("naïve café – 你好 🙂", "\\frac{1}{2} $x^2$", "tabs\t\nand  spaces\x00"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    engine = transformers_engine.start(SLOW, settings(), Stops.of(tokenizer, [tokenizer.eos_token_id], []))
    request = Request("k", tuple(tokenizer.encode("你好 🙂")), 4, "length")
    (completions,) = engine.decode([[request]], lambda tokens, ended: None)
    assert len(completions[0].output_ids) <= 4


def test_greedy_with_several_samples_is_refused():
    with pytest.raises(UserError, match=r"sampling.*set 'samples' to 1"):
        validate(DecodingEntry, {**settings().model_dump(), "sampling": {"samples": 4}}, "d.yaml")
