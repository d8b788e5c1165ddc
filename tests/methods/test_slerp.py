"""SLERP, and the exact sums that its angles come from."""

import math

import numpy as np
import pytest
import torch
from merges import merge
from support import load_tensors, save_model

from l2s.errors import UserError
from l2s.merging.engine.exact_sums import ExactSum

RECIPES = [{"scale": 0.7}, {"scale": 1.5}]


def reference(given, method):
    (model,) = given.models
    return {name: arc(start, model[name], method.scale) for name, start in given.base.items()}


def arc(start, end, t):
    cosine = np.sum(start * end) / np.linalg.norm(start) / np.linalg.norm(end)
    if abs(cosine) > 0.9995:
        return (1 - t) * start + t * end
    angle = np.arccos(cosine)
    return (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)


def test_slerp_keeps_the_norm_that_a_straight_line_loses(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    merge({"method": "slerp", "scale": 0.5, "dtype": "float32"}, base, [slow], tmp_path / "out")
    name = "model.layers.0.mlp.down_proj.weight"
    first, second, middle = (load_tensors(folder)[name].norm() for folder in (base, slow, tmp_path / "out"))
    assert abs(middle / ((first + second) / 2) - 1) < 0.01


def test_slerp_of_nearly_parallel_tensors_is_task_arithmetic(make_model, tmp_path):
    base = make_model("base", 0)
    slow = make_model("slow", 1)
    near = {name: tensor + 0.01 * load_tensors(slow)[name] for name, tensor in load_tensors(base).items()}
    save_model(slow, near)
    for method in ("slerp", "task_arithmetic"):
        merge({"method": method, "scale": 0.7, "dtype": "float32"}, base, [slow], tmp_path / method)
    straight = load_tensors(tmp_path / "task_arithmetic")
    for name, tensor in load_tensors(tmp_path / "slerp").items():
        torch.testing.assert_close(tensor, straight[name], rtol=1e-6, atol=1e-6)


def test_slerp_takes_a_tensor_of_zeros(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    name = "model.layers.0.mlp.down_proj.weight"
    zeroed = load_tensors(base)
    zeroed[name].zero_()
    save_model(base, zeroed)
    merge({"method": "slerp", "scale": 0.5, "dtype": "float32"}, base, [slow], tmp_path / "out")
    wanted = load_tensors(slow)[name] * math.sin(math.pi / 4)
    torch.testing.assert_close(load_tensors(tmp_path / "out")[name], wanted, rtol=1e-6, atol=1e-6)


def test_slerp_refuses_a_second_slow_model(make_model, tmp_path):
    models = [make_model(f"slow{seed}", seed) for seed in (1, 2)]
    with pytest.raises(UserError, match="method 'slerp' merges 1 model beside the base, but 'models' lists 2"):
        merge({"method": "slerp"}, make_model("base", 0), models, tmp_path / "out")


# ---- exact sums


def total(first, second, pieces):
    exact = ExactSum()
    for ours, theirs in zip(first.split(pieces), second.split(pieces), strict=True):
        exact.add(ours, theirs)
    return exact.value


@pytest.mark.parametrize("size", [1e-7, 0.02, 1.0, 3e4])
def test_a_sum_of_products_is_that_of_exact_arithmetic(size):
    generator = torch.Generator().manual_seed(0)
    first, second = (size * torch.randn(200_000, generator=generator) for _ in range(2))
    assert total(first, second, 70_000) == pytest.approx(
        math.fsum((first.double() * second.double()).tolist()), rel=1e-12
    )


def test_a_sum_of_products_depends_on_no_order():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(100_000, generator=generator) * 10 ** torch.randn(100_000) for _ in range(2))
    order = torch.randperm(100_000, generator=generator)
    sums = {total(first, second, 100_000), total(first, second, 37), total(first[order], second[order], 999)}
    assert len(sums) == 1
