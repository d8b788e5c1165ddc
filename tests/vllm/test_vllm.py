"""The engine vllm, run for real: transformers' tokens, and what sessions promise. By vLLM's build for CPUs, or on a GPU
with L2S_DEVICE=cuda (`make smoke-gpu`), where vLLM also compiles the model and records CUDA graphs."""

import json
import os
from itertools import zip_longest

import pytest
from merges import merge
from support import DEMO, DEVICE

from l2s.decoding.engines import transformers_engine, vllm_engine, vllm_start
from l2s.decoding.model import read_model
from l2s.decoding.prompts import Prompt
from l2s.decoding.session import Question, Session, numeric_settings
from l2s.decoding.settings import DecodingEntry, PromptEntry
from l2s.decoding.stopping import Stops
from l2s.decoding.store import ResponseStore
from l2s.errors import UserError

PROMPT = PromptEntry(template="Question: {question}\nAnswer:")
WINDOW = 2048
VLLM = {
    "cpu": {"memory_utilization": 0.02, "enforce_eager": True},
    "cuda": {"memory_utilization": 0.3, "tensor_parallel": 1},
}


def settings(**changed):
    values = {"prompt": "demo", "max_new_tokens": 160, "device": DEVICE, "dtype": "float32", "context_length": WINDOW}
    small = {"engine": "vllm", "vllm": VLLM[DEVICE]}
    return DecodingEntry(**{**values, **small, **changed})


def transformers_settings(**changed):
    return settings(engine="transformers", vllm=None, batch_size=100, **changed)


@pytest.fixture(scope="module")
def questions():
    lines = (DEMO / "test.jsonl").read_text().splitlines()
    return [Question("demo", str(number), json.loads(line)["question"]) for number, line in enumerate(lines)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A merge between working it out and checking again: its next tokens are the least decided of the demo's."""
    out = tmp_path_factory.mktemp("merge") / "merged"
    recipe = {"method": "task_arithmetic", "scale": 0.8, "dtype": "float32"}
    merge(recipe, DEMO / "quick", [DEMO / "slow"], out)
    return out


@pytest.fixture(scope="module")
def engine(folder):
    chosen = settings()
    model = read_model(folder, chosen)
    started = vllm_engine.start(folder, chosen, Stops.of(model.tokenizer, model.stop_ids, ()))
    yield started
    started.engine.engine_core.shutdown()


@pytest.fixture
def decode(folder, engine, tmp_path, monkeypatch):
    """Run a session: decode(settings, questions) -> rows. vLLM's engine is started once for all."""

    def run(chosen, asked, prompt=PROMPT, store="store"):
        model = read_model(folder, chosen)
        stops = Stops.of(model.tokenizer, model.stop_ids, prompt.stop)
        monkeypatch.setattr(engine, "settings", chosen)
        monkeypatch.setattr(engine, "stops", stops)
        keep = ResponseStore(tmp_path / store, "c" * 64, numeric_settings(chosen, {}, model.context_length, stops))
        start = {
            "vllm": lambda: engine,
            "transformers": lambda: transformers_engine.start(folder, chosen, stops),
        }
        session = Session(model.context_length, chosen, Prompt(prompt, model.tokenizer), stops, keep, [asked])
        session.fill(start[chosen.engine])
        return [row for part in session.tables() for row in part.to_pylist()]

    return run


def differences(first, second):
    """Say where responses differ: the question, the position, and the two tokens there."""
    others = {row["question_id"]: row["output_ids"] for row in second}
    found = []
    for row in first:
        pairs = enumerate(zip_longest(row["output_ids"], others[row["question_id"]]))
        found += [f"question {row['question_id']}, token {n}: {a}, {b}" for n, (a, b) in pairs if a != b][:1]
    return found


def test_greedy_responses_are_those_of_transformers_in_any_order(decode, questions, capsys):
    expected = decode(transformers_settings(), questions)
    assert len({row["output_tokens"] for row in expected}) > 10
    for order, asked in (("as they are", questions), ("reversed", questions[::-1])):
        rows = decode(settings(), asked, store=order)
        differ = differences(rows, expected)
        with capsys.disabled():
            print(
                f"\nvllm and transformers, questions {order}: {600 - len(differ)} of 600 responses equal",
                *differ,
                sep="\n",
            )
        assert len(rows) == 600 and len(differ) <= 6
        assert {row["finish_reason"] for row in rows} == {"stop"}
        assert all(row["output_ids"][-1] == 0 and row["output_ids"].count(0) == 1 for row in rows)


def test_samples_are_distinct_reproducible_and_follow_the_seed(decode, questions):
    warm = {"temperature": 1.2, "top_p": 0.95, "top_k": 20, "samples": 4, "seed": 1}
    rows = decode(settings(sampling=warm), questions[:20])
    again = decode(settings(sampling=warm), questions[:20][::-1], store="again")
    other = decode(settings(sampling={**warm, "seed": 2}), questions[:20], store="other")
    place = {(row["question_id"], row["sample"]): row["output_ids"] for row in rows}
    assert place == {(row["question_id"], row["sample"]): row["output_ids"] for row in again}
    assert place != {(row["question_id"], row["sample"]): row["output_ids"] for row in other}
    assert len(place) == 80
    assert len({tuple(row["output_ids"]) for row in rows if row["question_id"] == "0"}) > 1
    # Another sample more leaves those that there are as they are.
    more = decode(settings(sampling={**warm, "samples": 5}), questions[:20], store="more")
    assert place.items() <= {(row["question_id"], row["sample"]): row["output_ids"] for row in more}.items()


def test_nearly_no_temperature_is_nearly_greedy(decode, questions):
    greedy = decode(settings(), questions[:50])
    cold = decode(settings(sampling={"temperature": 0.01, "seed": 3}), questions[:50])
    assert len(differences(cold, greedy)) <= 2


def test_budget_and_window_are_told_apart(decode, questions):
    rows = decode(settings(max_new_tokens=5), questions[:9])
    assert {(row["finish_reason"], row["output_tokens"]) for row in rows} == {("length", 5)}
    longest = max(row["prompt_tokens"] for row in rows)
    rows = decode(settings(context_length=longest + 3), questions[:9])
    assert {row["finish_reason"] for row in rows} == {"context_length"}
    assert all(row["prompt_tokens"] + row["output_tokens"] == longest + 3 for row in rows)


def test_stop_strings_end_responses_as_with_transformers(decode, questions):
    stopping = PromptEntry(template=PROMPT.template, stop=("=2. 2+9=1. Wait, let me", "Wait"))
    rows = decode(settings(), questions[:100], stopping)
    expected = decode(transformers_settings(), questions[:100], stopping)
    assert differences(rows, expected) == []
    assert [row["finish_reason"] for row in rows] == [row["finish_reason"] for row in expected]
    ended = [row for row in rows if row["output_ids"][-1] != 0]
    assert 0 < len(ended) < len(rows)
    # Requests that a string has ended are gone: what is asked next is not disturbed.
    assert differences(decode(settings(), questions[:100]), decode(transformers_settings(), questions[:100])) == []


def test_equal_questions_of_two_benchmarks_are_one_request(decode, questions):
    twice = [Question("a", "1", questions[0].text), Question("b", "1", questions[0].text)]
    first, second = decode(settings(), twice)
    assert first["output_ids"] == second["output_ids"]


def test_facts_tell_versions_and_options(engine):
    facts = engine.facts()
    assert {"vllm", "torch", "transformers", "device", "max_num_seqs", "tensor_parallel"} <= facts.keys()
    assert facts["cache_tokens"] > WINDOW
    json.dumps(facts)


def test_stages_of_layers_give_the_tokens_of_one(decode, engine, folder, questions, monkeypatch):
    expected = decode(settings(), questions[:50])
    staged = settings(vllm={"memory_utilization": 0.02, "pipeline_parallel": 2})
    model = read_model(folder, staged)
    stages = vllm_engine.start(folder, staged, Stops.of(model.tokenizer, model.stop_ids, ()))
    monkeypatch.setattr(engine, "engine", stages.engine)
    assert differences(decode(settings(), questions[:50], store="stages"), expected) == []
    stages.engine.engine_core.shutdown()


def test_an_engine_that_takes_other_weights_gives_the_tokens_of_one_started_with_them(
    decode, engine, folder, questions, monkeypatch
):
    before = decode(settings(), questions[:100])
    engine.take(DEMO / "slow", engine.stops)
    taken = decode(settings(), questions[:100], store="taken")
    engine.take(folder, engine.stops)
    assert differences(decode(settings(), questions[:100], store="back"), before) == []
    fresh = vllm_engine.start(DEMO / "slow", settings(), engine.stops)
    monkeypatch.setattr(engine, "engine", fresh.engine)
    assert differences(decode(settings(), questions[:100], store="fresh"), taken) == []
    assert len(differences(taken, before)) > 10
    fresh.engine.engine_core.shutdown()


def compiled_as(folder, place):
    """Return the digest that vLLM keeps a checkpoint's compiled graphs by."""
    import vllm

    place.mkdir()
    with vllm_start.under_one_name(folder, place):
        return vllm.EngineArgs(**vllm_start.engine_arguments(settings())).create_engine_config().compute_hash()


def test_checkpoints_of_one_architecture_share_what_vllm_compiles(tmp_path):
    here = os.getcwd()
    quick, slow = compiled_as(DEMO / "quick", tmp_path / "one"), compiled_as(DEMO / "slow", tmp_path / "other")
    assert quick == slow
    assert os.getcwd() == here
    wider = tmp_path / "wider"
    wider.mkdir()
    for file in (DEMO / "quick").iterdir():
        (wider / file.name).write_bytes(file.read_bytes())
    config = json.loads((wider / "config.json").read_text())
    (wider / "config.json").write_text(json.dumps({**config, "intermediate_size": config["intermediate_size"] + 96}))
    assert compiled_as(wider, tmp_path / "third") != quick


def test_build_for_another_device_is_refused_and_threads_are_set(folder):
    other = {"cpu": "cuda", "cuda": "cpu"}[DEVICE]
    with pytest.raises(
        UserError, match=f"device '{other}' is configured, but the vLLM installed here runs on '{DEVICE}'"
    ):
        vllm_engine.start(folder, settings(device=other), Stops(frozenset({0}), (), None))
    vllm_start.set_environment(settings(device="cpu", cpu_threads=3))
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_model_that_vllm_does_not_know_is_one_clear_error(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["Llama5"], "model_type": "llama5"}))
    with pytest.raises(UserError, match="vLLM cannot start"):
        vllm_engine.start(tmp_path, settings(), Stops(frozenset({0}), (), None))
