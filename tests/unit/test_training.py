"""Trainings: preference pairs as tokens, the adapter's way into the weights, and what stops a training."""

import json

import published_tokenizers
import pytest
import torch
from peft import PeftModel
from support import DEMO
from transformers import AutoModelForCausalLM

from l2s.checkpoints.manifest import Parent
from l2s.checkpoints.tensors import digest_tensors
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.contracts.calibration_data import CALIBRATION_DATA
from l2s.contracts.parquet import table_of
from l2s.decoding.prompts import Prompt
from l2s.decoding.settings import PromptEntry
from l2s.errors import UserError
from l2s.methods import method_names
from l2s.training.engine import run
from l2s.training.engine.contract import Material, Preference
from l2s.training.engine.preferences import set_apart, tokenise
from l2s.training.engine.recipe import parse_training
from l2s.training.engine.run import Job, train_checkpoint
from train import preferences

STEPS, CHECKED = " 1+2=3. The answer is \\boxed{3}.", " 1+2=3. Wait, let me double-check. 1+2=3."
WHOLE = {"full": True, "num_hidden_layers": 2, "vocab_size": 24, "intermediate_size": 40}
RECIPE = {
    "method": "dpo",
    "calibration_data": "demo",
    "prompt": "demo",
    "device": "cpu",
    "dtype": "float32",
    "epochs": 1,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "checkpoints": 2,
    "model": str(DEMO / "slow"),
}


def recipe(**changes):
    return parse_training({**RECIPE, **changes}, "recipe.yaml")


TOKENIZER = load_tokenizer(DEMO / "slow")


def pairs(count):
    prompts = [f"Question: 1+{number}\nAnswer:" for number in range(count)]
    return [Preference(tuple(TOKENIZER.encode(prompt)), STEPS, CHECKED) for prompt in prompts]


def test_no_name_is_both_a_merging_and_a_training_method():
    assert "dpo" in method_names("training")
    assert not set(method_names("training")) & set(method_names("merging"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "dpi"}, "recipe.yaml: unknown method 'dpi'; did you mean 'dpo'"),
        ({"lora_ranks": 8}, "recipe.yaml: unknown key 'lora_ranks'; did you mean 'lora_rank'"),
        ({"calibration_data": None}, "recipe.yaml: key 'calibration_data'"),
        ({"validation_share": 1.0}, "recipe.yaml: key 'validation_share'.*less than 1"),
        ({"learning_rate": 0}, "recipe.yaml: key 'learning_rate'.*greater than 0"),
        ({"target_modules": []}, "recipe.yaml: key 'target_modules'"),
        ({"device": "tpu"}, "recipe.yaml: key 'device'"),
        ({"model": None}, "recipe.yaml: key 'model'"),
    ],
)
def test_wrong_recipe_is_named_by_key(changes, message):
    with pytest.raises(UserError, match=message):
        recipe(**changes)


def test_resolved_recipe_reads_back():
    assert parse_training(recipe(epochs=2).resolved(), "again") == recipe(epochs=2)


def test_prompts_are_those_of_decoding_and_answers_end_as_responses_do():
    values = {
        "row_id": "0",
        "question": "1+2 {answer}",
        "quick_answer": STEPS.strip(),
        "slow_answer": CHECKED.strip(),
    }
    entry = PromptEntry(template="Question: {question}\nAnswer:")
    asked = recipe(answer_prefix=" ")
    (pair,) = preferences(table_of([values], CALIBRATION_DATA), entry, asked, DEMO / "slow")
    assert pair == Preference(Prompt(entry, TOKENIZER).ids("Question: 1+2 {answer}\nAnswer:"), STEPS, CHECKED)
    (row,), counts = tokenise(Material(DEMO, [pair]), TOKENIZER, 4096)
    assert row["prompt_ids"] == list(pair.prompt_ids)
    assert TOKENIZER.decode(row["chosen_ids"]) == STEPS + TOKENIZER.eos_token
    assert TOKENIZER.decode(row["rejected_ids"]) == CHECKED + TOKENIZER.eos_token
    assert counts == {"chosen_cut": 0, "rejected_cut": 0, "left_out": 0}


def test_prompts_begin_as_in_decoding_with_the_begin_token_that_the_tokenizer_asks_for(tmp_path):
    folder = published_tokenizers.deepseek(tmp_path / "deepseek")
    values = {"row_id": "0", "question": "1+2", "quick_answer": "3", "slow_answer": "Wait, 3"}
    entry = PromptEntry(template="User: {question}", add_special_tokens=True)
    (pair,) = preferences(table_of([values], CALIBRATION_DATA), entry, recipe(), folder)
    assert list(pair.prompt_ids) == load_tokenizer(folder).encode("User: 1+2")
    (row,), _ = tokenise(Material(folder, [pair]), load_tokenizer(folder), 4096)
    begin = load_tokenizer(folder).bos_token_id
    assert row["prompt_ids"][0] == begin and begin not in row["chosen_ids"] + row["rejected_ids"]


def test_prompt_with_examples_or_of_a_chat_template_that_is_not_there_is_refused():
    shown = {
        "examples": "qwen25-math",
        "template": "{question}{answer}",
        "separator": "\n",
    }
    for entry, message in [
        (
            PromptEntry(template="{question}", few_shot=shown),
            "prompt 'demo': training needs a prompt without 'few_shot'",
        ),
        (PromptEntry(chat={"user": "{question}"}), "the tokenizer has no chat template"),
    ]:
        with pytest.raises(UserError, match=message):
            preferences(table_of([], CALIBRATION_DATA), entry, recipe(), DEMO / "slow")


def test_answers_over_the_limit_are_counted_and_prompts_over_it_left_out():
    (row,), _ = tokenise(Material(DEMO, pairs(1)), TOKENIZER, 4096)
    prompt, chosen, rejected = (len(row[key]) for key in ("prompt_ids", "chosen_ids", "rejected_ids"))
    assert chosen < rejected
    material = Material(DEMO, [*pairs(3), Preference((1,) * 1000, STEPS, CHECKED)])
    for limit, expected in [
        (prompt + rejected, (3, 0, 0, 1)),
        (prompt + rejected - 1, (3, 0, 3, 1)),
        (prompt + chosen - 1, (3, 3, 3, 1)),
        (prompt, (0, 0, 0, 4)),
    ]:
        rows, counts = tokenise(material, TOKENIZER, limit)
        assert (len(rows), *counts.values()) == expected


def test_pairs_set_apart_follow_the_seed_and_leave_some_of_each():
    rows = [{"prompt_ids": [number]} for number in range(50)]
    training, validation = set_apart(rows, 0.1, 0)
    assert len(validation) == 5
    assert sorted(row["prompt_ids"][0] for row in training + validation) == list(range(50))
    assert set_apart(rows, 0.1, 0) == (training, validation) != set_apart(rows, 0.1, 1)
    assert [len(part) for part in set_apart(rows[:3], 0.01, 0)] == [2, 1]
    assert [len(part) for part in set_apart(rows[:2], 0.99, 0)] == [1, 1]
    with pytest.raises(UserError, match="1 preference pairs fit, and training with validation needs two"):
        set_apart(rows[:1], 0.1, 0)


def job(count=16, content_id="0" * 64, **changes):
    asked = recipe(**changes)
    parent = Parent(used_as="model", source=asked.model, content_id=content_id)
    return Job(asked, parent, Material(DEMO / "slow", pairs(count)))


def test_best_checkpoint_is_described_and_loads_with_and_without_its_adapter(tmp_path, capfd):
    manifest = train_checkpoint(job(max_tokens=27, learning_rate=2e-3), tmp_path / "out", tmp_path / "store")
    assert digest_tensors(tmp_path / "out") == manifest.tensors
    assert manifest.kind == "trained" and manifest.recipe["epochs"] == 1
    assert set(manifest.adapter) == {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    sidecar = json.loads((tmp_path / "out" / "train.json").read_text())
    values = {int(step): line["eval_loss"] for step, line in sidecar["selection"]["checkpoints"].items()}
    assert len(values) == 2 and sidecar["selection"]["best_step"] == min(values, key=values.get)
    assert sidecar["pairs"]["rejected_cut"] == 16 and sidecar["pairs"]["chosen_cut"] == 0
    assert "rejected_cut 16" in capfd.readouterr().out
    prompt = torch.tensor([[5, 9, 30, 31]])
    slow = AutoModelForCausalLM.from_pretrained(DEMO / "slow", dtype=torch.float32)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    with torch.no_grad():
        before, after = slow(prompt).logits, merged(prompt).logits
        adapted = PeftModel.from_pretrained(slow, tmp_path / "out" / "adapter")(prompt).logits
    assert (after - before).abs().max() > 2 * (after - adapted).abs().max()


def test_nothing_is_trained_twice_and_only_the_adapter_is_kept(tmp_path, capfd):
    first = train_checkpoint(job(), tmp_path / "first", tmp_path / "store")
    capfd.readouterr()
    again = train_checkpoint(job(), tmp_path / "again", tmp_path / "store")
    assert "trained already" in capfd.readouterr().out
    assert again == first
    (kept,) = (tmp_path / "store").iterdir()
    assert {path.name for path in kept.iterdir()} - {".lock"} == {"adapter", "train.json"}
    assert (tmp_path / "first" / "train.json").read_text() == (tmp_path / "again" / "train.json").read_text()


def test_a_training_is_known_by_all_that_decides_it(monkeypatch):
    others = [job(seed=1), job(count=15), job(content_id="1" * 64), job(learning_rate=1e-4)]
    known = {job().identity(), *(other.identity() for other in others)}
    assert len(known) == 5 and job().identity() in known
    monkeypatch.setattr(run, "module_digest", lambda name: f"edited {name}")
    assert job().identity() not in known


def test_training_whose_last_step_is_done_only_compares_its_checkpoints(tmp_path):
    asked = job()
    first, again = (asked.recipe.method.train(asked.material, tmp_path) for _ in range(2))
    assert again.adapter == first.adapter
    assert again.facts["selection"] == first.facts["selection"]
    assert again.facts["resumed_after_step"] == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 1e30}, r"step \d+: (loss|grad_norm|eval_loss) is (nan|inf); lower 'learning_rate'"),
        ({"target_modules": ["q_proj", "query"]}, "key 'target_modules': .*slow has no layer 'query'"),
        ({"max_tokens": 5}, "0 preference pairs fit, .* raise 'max_tokens'"),
        ({"device": "cuda"}, "a GPU is needed, but there is no nvidia-smi|there is no CUDA device"),
    ],
)
def test_training_that_cannot_work_is_a_clear_error_and_leaves_no_checkpoint(tmp_path, changes, message):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=message):
        train_checkpoint(job(**changes), tmp_path / "out", tmp_path / "store")
    assert not (tmp_path / "out").exists()
