"""Calibration measured layer by layer equals autograd on the whole model."""

import json
import math
import shutil
import subprocess
import sys
from collections import Counter

import published_tokenizers
import pytest
import torch
from support import DEMO, ROOT
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from l2s.calibration import streamed as streamed_module
from l2s.calibration import vocabulary
from l2s.calibration.hidden_states import Room
from l2s.calibration.kinds import activations, fisher, logit_distances, mutual_information, sensitivities
from l2s.calibration.streamed import StreamedModel
from l2s.calibration.texts import encode
from l2s.checkpoints.tokenizer import load_tokenizer
from l2s.errors import UserError

ROOM = Room(1 << 30)
SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
}
ROWS = [
    {"row_id": "0", "question": "3*4", "quick_answer": "\\boxed{2}", "slow_answer": "3*4=2. Wait, 3*4=2."},
    {"row_id": "1", "question": "1+2+3", "quick_answer": "\\boxed{6}", "slow_answer": "1+2=3. 3+3=6."},
    {"row_id": "2", "question": "7-9", "quick_answer": "\\boxed{8}", "slow_answer": "7-9=8."},
]
TEXT = "Question: {question}\nAnswer: {answer}"


@pytest.fixture
def texts():
    return encode(ROWS, {"slow": TEXT}, 256, load_tokenizer(DEMO / "slow"))


def random_model(folder, config=Qwen2Config, layers=3, tied=False, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    values = {**SIZES, "num_hidden_layers": layers, "tie_word_embeddings": tied}
    model = AutoModelForCausalLM.from_config(config(**values), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms too, so that no term of the derivative is zero
            parameter.copy_(torch.randn_like(parameter) * 0.1 + (1.0 if parameter.dim() == 1 else 0.0))
    model.to(dtype).save_pretrained(folder)
    return folder


def whole(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def naive_sensitivities(folder, texts):
    """Σ |θ · ∂L/∂θ| by autograd on the whole model, a sample at a time."""
    model = whole(folder)
    sums = {}
    for text in texts:
        model.zero_grad()
        labels = text.ids.clone()
        labels[: text.answer_start] = -100
        model(text.ids[None], labels=labels[None]).loss.backward()
        for name, parameter in model.named_parameters():
            sums[name] = sums.get(name, 0.0) + float((parameter.detach() * parameter.grad).abs().double().sum())
    return sums


def naive_activations(folder, texts):
    """Mean absolute inputs, by hooks on the whole model."""
    model = whole(folder)
    seen = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) or "norm" in name.split(".")[-1]:
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: seen.setdefault(f"{name}.weight", []).append(
                    inputs[0].reshape(-1, inputs[0].shape[-1]).double().abs()
                )
            )
    with torch.no_grad():
        for text in texts:
            model(text.ids[None])
    return {name: torch.cat(parts).mean(dim=0) for name, parts in seen.items()}


@pytest.mark.parametrize(
    ("config", "tied", "dtype"),
    [
        (Qwen2Config, False, torch.float32),
        (Qwen2Config, True, torch.float32),
        (Qwen2Config, False, torch.bfloat16),
        (Qwen3Config, False, torch.float32),
        (LlamaConfig, True, torch.float32),
    ],
)
def test_sensitivities_equal_autograd_on_the_whole_model(tmp_path, texts, monkeypatch, config, tied, dtype):
    monkeypatch.setattr(streamed_module, "VOCABULARY_CHUNK", 77)  # several pieces, the last one smaller
    folder = random_model(tmp_path / "model", config, tied=tied, dtype=dtype)
    expected = naive_sensitivities(folder, texts)
    with StreamedModel(folder) as model:
        found = sensitivities.measure(model, texts, ROOM)
    assert found == pytest.approx(expected, rel=1e-4)
    assert all(value > 0 for value in found.values())


@pytest.mark.parametrize("tied", [False, True])
def test_fisher_information_equals_autograd_on_the_whole_model(tmp_path, tied):
    folders = [random_model(tmp_path / str(seed), tied=tied, seed=seed) for seed in (1, 2)]
    model, other = (whole(folder) for folder in folders)
    expected = dict.fromkeys(dict(model.named_parameters()), 0.0)
    texts = fisher.random_texts(3, SIZES["vocab_size"])
    for text in texts:
        model.zero_grad()
        model(text.ids[None], labels=text.ids[None]).loss.backward()
        for name, parameter in model.named_parameters():
            expected[name] += float(parameter.grad.double().square().sum()) / len(texts)
    shifts = dict(other.named_parameters())
    with StreamedModel(folders[0]) as first, StreamedModel(folders[1]) as second:
        assert fisher.measure(first, 3, ROOM) == pytest.approx(expected, rel=1e-4)
        for name, parameter in model.named_parameters():
            moved = float((shifts[name] - parameter).detach().double().square().sum())
            assert fisher.squared_shift(first, second, name) == pytest.approx(moved, rel=1e-6)


@pytest.mark.parametrize("config", [Qwen2Config, Qwen3Config])
def test_activations_equal_hooks_on_the_whole_model(tmp_path, texts, config):
    folder = random_model(tmp_path / "model", config)
    expected = naive_activations(folder, texts)
    with StreamedModel(folder) as model:
        found = activations.measure(model, texts, ROOM)
    assert found.keys() == expected.keys()
    for name, means in found.items():
        assert torch.allclose(means.double(), expected[name], rtol=1e-4, atol=1e-7), name


def test_logit_distances_equal_those_of_the_whole_models(tmp_path, texts):
    folders = [random_model(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    logits = []
    for folder in folders:
        model = whole(folder)
        with torch.no_grad():
            logits.append([model(text.ids[None]).logits[0, text.answer_start - 1 : -1].double() for text in texts])
    expected = [float((a - b).square().sum(dim=1).mean()) for a, b in zip(*logits, strict=True)]
    with StreamedModel(folders[0]) as first, StreamedModel(folders[1]) as second:
        assert logit_distances.measure(first, second, texts, ROOM) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_mutual_information_equals_that_of_all_outputs_counted_one_by_one(tmp_path, texts, monkeypatch, tied):
    monkeypatch.setattr(streamed_module, "VOCABULARY_CHUNK", 77)
    monkeypatch.setattr(mutual_information, "WAITING_PAIRS", 5000)
    folders = [random_model(tmp_path / str(seed), seed=seed, tied=tied) for seed in (1, 2)]
    expected = naive_information(folders, texts)
    with StreamedModel(folders[0]) as first, StreamedModel(folders[1]) as second:
        found = list(mutual_information.measure(first, second, texts, ROOM))
    assert {(tensor, row) for tensor, row, _, _ in found} == expected.keys()
    for tensor, row, outputs, information in found:
        # Values that lie between two numbers of bfloat16 may be rounded to either.
        assert (outputs, information) == (expected[tensor, row][0], pytest.approx(expected[tensor, row][1], rel=0.01))


def naive_information(folders, texts):
    """Count values and pairs of values of every module's outputs, by hooks on the whole models."""
    outputs = [{}, {}]
    layers = range(whole(folders[0]).config.num_hidden_layers)
    names = ["model.embed_tokens", "model.norm", "lm_head", *(f"model.layers.{n}.mlp.down_proj" for n in layers)]
    for folder, seen in zip(folders, outputs, strict=True):
        model = whole(folder)
        for text in texts:
            for name in names:
                model.get_submodule(name).register_forward_hook(
                    lambda _, __, out, key=(f"{name}.weight", text.row_id), seen=seen: seen.setdefault(key, out)
                )
            with torch.no_grad():
                model(text.ids[None, : text.answer_start])
            for module in model.modules():
                module._forward_hooks.clear()
    informations = {}
    for key, first in outputs[0].items():
        values = [out.bfloat16().flatten().tolist() for out in (first, outputs[1][key])]
        pairs, firsts, seconds = (Counter(one) for one in (zip(*values, strict=True), *values))
        n = len(values[0])
        information = sum(c / n * math.log(c * n / firsts[x] / seconds[y]) for (x, y), c in pairs.items())
        informations[key] = (n, information)
    return informations


def test_groups_scratch_and_depth_do_not_change_the_result(tmp_path, texts):
    folder = random_model(tmp_path / "deep", layers=24)
    scratch = tmp_path / "scratch"
    with StreamedModel(folder) as model:
        together = sensitivities.measure(model, texts, ROOM)
        per_token = (model.layers + 2) * model.hidden * 4
        budget = per_token * max(len(text.ids) for text in texts)
        apart = sensitivities.measure(model, texts, Room(budget, scratch))
    assert apart == pytest.approx(together, rel=1e-9)
    assert not scratch.exists()


def test_one_layer_is_in_memory_whatever_the_depth(tmp_path, texts):
    sizes = []
    for layers in (2, 24):
        with StreamedModel(random_model(tmp_path / str(layers), layers=layers)) as model:
            held = [value for value in vars(model).values() if isinstance(value, torch.nn.Module | torch.Tensor)]
            tensors = [t for value in held for t in (value.parameters() if hasattr(value, "parameters") else [value])]
            sizes.append(sum(tensor.numel() for tensor in tensors))
    assert sizes[0] == sizes[1]


def test_answers_begin_after_the_question_and_end_with_the_end_of_text():
    tokenizer = load_tokenizer(DEMO / "slow")
    for answer in ("quick", "slow"):
        for text, row in zip(encode(ROWS, {answer: TEXT}, 256, tokenizer), ROWS, strict=True):
            decoded = tokenizer.decode(text.ids[text.answer_start : -1])
            assert decoded.strip() == row[f"{answer}_answer"]
            assert int(text.ids[-1]) == tokenizer.eos_token_id
            assert not text.cut


def test_both_answers_are_one_text_each_and_measured_together(tmp_path):
    tokenizer = load_tokenizer(DEMO / "slow")
    forms = {"quick": TEXT, "slow": "Solve: {question}\n{answer}"}
    quick, slow = (encode(ROWS, {answer: form}, 256, tokenizer) for answer, form in forms.items())
    both = encode(ROWS, forms, 256, tokenizer)
    assert [text.ids.tolist() for text in both] == [text.ids.tolist() for text in (*quick, *slow)]
    with StreamedModel(random_model(tmp_path / "model")) as model:
        means = [activations.measure(model, texts, ROOM) for texts in (quick, slow, both)]
        sums = [sensitivities.measure(model, texts, ROOM) for texts in (quick, slow, both)]
    tokens = [sum(len(text.ids) for text in texts) for texts in (quick, slow)]
    for name, together in means[2].items():
        weighed = (means[0][name] * tokens[0] + means[1][name] * tokens[1]) / sum(tokens)
        torch.testing.assert_close(together, weighed, rtol=1e-5, atol=1e-6)
    for name, together in sums[2].items():
        assert together == pytest.approx(sums[0][name] + sums[1][name], rel=1e-5)


@pytest.mark.parametrize("kind", ["deepseek", "qwen"])
def test_texts_are_what_the_tokenizer_makes_of_them_begin_token_included(tmp_path, kind):
    tokenizer = load_tokenizer(getattr(published_tokenizers, kind)(tmp_path / kind))
    head = "<|question|>\n3*4\n\n<|cot_solution|>\n"
    (text,) = encode(ROWS[:1], {"quick": "<|question|>\n{question}\n\n<|cot_solution|>\n{answer}"}, 256, tokenizer)
    assert text.ids.tolist() == tokenizer.encode(f"{head}\\boxed{{2}}{tokenizer.eos_token}")
    assert (int(text.ids[0]) == tokenizer.bos_token_id) is (kind == "deepseek")
    assert text.ids.tolist().count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(text.ids[text.answer_start : -1]) == "\\boxed{2}"


def test_long_texts_are_cut_and_counted():
    tokenizer = load_tokenizer(DEMO / "slow")
    (text,) = encode(ROWS[:1], {"slow": TEXT}, 20, tokenizer)
    assert text.cut
    assert len(text.ids) == 20
    with pytest.raises(UserError, match=r"calibration row 0: the answer begins at token .* raise it"):
        encode(ROWS[:1], {"slow": TEXT}, 5, tokenizer)


def test_a_sample_beyond_the_budget_is_refused(tmp_path, texts):
    with (
        StreamedModel(random_model(tmp_path / "model")) as model,
        pytest.raises(UserError, match=r"calibration row 0: its states take .* raise the budget"),
    ):
        sensitivities.measure(model, texts, Room(1000))


def test_a_damaged_model_is_refused(tmp_path, texts):
    folder = random_model(tmp_path / "model")
    model = whole(folder)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    model.save_pretrained(folder)
    with StreamedModel(folder) as damaged, pytest.raises(UserError, match="calibration row 0 gives NaN or infinity"):
        activations.measure(damaged, texts, ROOM)


@pytest.mark.parametrize("layers", [1, 3])
def test_weights_with_more_or_fewer_layers_than_the_config_are_refused(tmp_path, layers):
    folder = random_model(tmp_path / "model", layers=2)
    config = json.loads((folder / "config.json").read_text())
    other = {**config, "num_hidden_layers": layers, "layer_types": ["full_attention"] * layers}
    (folder / "config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"tensors of 'qwen2' are in .*: model\.layers\.[12]\."):
        StreamedModel(folder)


def test_other_architectures_are_refused(tmp_path):
    folder = random_model(tmp_path / "model", layers=2)
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(UserError, match=r"calibration knows gemma, .* qwen2, qwen3, not gpt2"):
        StreamedModel(other)


def test_models_of_different_sizes_are_refused(tmp_path, texts):
    folder = random_model(tmp_path / "model")
    with StreamedModel(folder) as first, StreamedModel(DEMO / "slow") as second:
        assert first.vocabulary != second.vocabulary
        with pytest.raises(UserError, match="need the same vocabulary"):
            logit_distances.measure(first, second, texts, ROOM)
        with pytest.raises(UserError, match="differ in layers, width or vocabulary; mutual information needs"):
            list(mutual_information.measure(first, second, texts, ROOM))
        with pytest.raises(UserError, match=r"'model.embed_tokens.weight' has shape .* needs models of equal shapes"):
            fisher.squared_shift(first, second, "model.embed_tokens.weight")


def test_loss_is_the_models_own(tmp_path, texts):
    folder = random_model(tmp_path / "model")
    reference = whole(folder)
    with StreamedModel(folder) as model, torch.no_grad():
        for text in texts:
            states = reference.model(text.ids[None]).last_hidden_state[0]
            targets = vocabulary.Targets(states[text.answer_start - 1 : -1], text.ids[text.answer_start :])
            vocabulary.measure_loss(model, [targets])
            labels = text.ids.clone()
            labels[: text.answer_start] = -100
            assert float(targets.loss) == pytest.approx(float(reference(text.ids[None], labels=labels[None]).loss))


def test_every_kind_of_calibration_says_what_it_takes_without_loading_torch():
    code = (
        "import importlib, sys; from l2s.calibration.kinds import kind_module, kind_names\n"
        "for name in kind_names():\n"
        "    kind = importlib.import_module(kind_module(name, 'test'))\n"
        "    assert kind.MODELS >= 1 and kind.SUFFIX in ('.parquet', '.safetensors') and kind.write\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr


def test_calibration_of_too_few_models_or_of_an_unknown_kind_is_refused(tmp_path):
    options = [
        "--model",
        DEMO / "slow",
        "--calibration-data",
        "demo",
        "--answer",
        "quick",
        "--out",
        tmp_path / "a.json",
    ]
    for kind, message in (
        ("logit_distances", "--model: logit_distances are measured on 2 model(s), found 1"),
        ("activation", "--kind: unknown kind of calibration 'activation'; did you mean 'activations'?"),
    ):
        command = [sys.executable, ROOT / "scripts" / "calibrate.py", "--kind", kind, *options]
        done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.strip() == f"error: {message}"
    assert list(tmp_path.iterdir()) == []
