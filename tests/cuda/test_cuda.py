"""On a CUDA device: merges give the CPU's tensors to the bit (those of matrices its numbers to 1e-5),
calibrations its numbers to 1e-4. `make test-cuda`."""

import subprocess
import sys

import pytest
import torch
from merges import merge
from methods.recipes import ON_ELEMENTS, ON_MATRICES, recipe_id, slow_models
from support import ROOT, load_tensors
from test_calibration import ROOM, random_model, texts  # noqa: F401  (texts is a fixture)

from l2s.calibration.kinds import activations, fisher, mutual_information, sensitivities
from l2s.calibration.streamed import StreamedModel


@pytest.fixture(autouse=True, scope="module")
def device():
    assert torch.cuda.is_available(), "there is no CUDA device: run this where there is one"


@pytest.mark.parametrize("recipe", ON_ELEMENTS, ids=recipe_id)
def test_merges_on_cuda_have_the_cpus_tensors(make_model, tmp_path, recipe):
    base = make_model("base", 0)
    slow = [make_model(f"slow{seed}", seed, near=base) for seed in range(1, max(slow_models(recipe)) + 1)]
    manifests = [merge(recipe, base, slow, tmp_path / device, device=device) for device in ("cpu", "cuda")]
    assert manifests[0].tensors == manifests[1].tensors


@pytest.mark.parametrize("recipe", ON_MATRICES, ids=recipe_id)
def test_merges_of_matrices_on_cuda_have_the_cpus_numbers(make_model, tmp_path, recipe):
    base = make_model("base", 0)
    slow = [make_model(f"slow{seed}", seed, near=base) for seed in range(1, min(slow_models(recipe)) + 1)]
    for device in ("cpu", "cuda"):
        merge({**recipe, "dtype": "float32"}, base, slow, tmp_path / device, device=device)
    on_cuda = load_tensors(tmp_path / "cuda")
    for name, tensor in load_tensors(tmp_path / "cpu").items():
        torch.testing.assert_close(on_cuda[name], tensor, rtol=1e-5, atol=1e-5)


def measure_fisher(model, texts, room):  # noqa: F811
    return fisher.measure(model, len(texts), room)


@pytest.mark.parametrize("measure", [activations.measure, sensitivities.measure, measure_fisher])
def test_calibrations_on_cuda_have_the_cpus_numbers(tmp_path, texts, measure):  # noqa: F811
    folder = random_model(tmp_path / "model")
    measured = []
    for device in ("cpu", "cuda"):
        with StreamedModel(folder, device) as model:
            measured.append(measure(model, texts, ROOM))
    on_cpu, on_cuda = measured
    assert on_cpu.keys() == on_cuda.keys()
    for name, value in on_cpu.items():
        torch.testing.assert_close(torch.as_tensor(on_cuda[name]), torch.as_tensor(value), rtol=1e-4, atol=1e-7)


def test_mutual_information_on_cuda_is_the_cpus_but_for_values_rounded_the_other_way(tmp_path, texts):  # noqa: F811
    folders = [random_model(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    measured = []
    for device in ("cpu", "cuda"):
        with StreamedModel(folders[0], device) as first, StreamedModel(folders[1], device) as second:
            measured.append(list(mutual_information.measure(first, second, texts, ROOM)))
    for on_cpu, on_cuda in zip(*measured, strict=True):
        assert on_cuda[:3] == on_cpu[:3] and on_cuda[3] == pytest.approx(on_cpu[3], rel=0.01)


def test_leased_gpu_is_the_only_one_that_torch_sees():
    code = """if True:
        from l2s.gpus import lease
        lease(1)
        import os, subprocess, torch
        leased = ["nvidia-smi", "-i", os.environ["CUDA_VISIBLE_DEVICES"], "--query-gpu=uuid", "--format=csv,noheader"]
        (uuid,) = subprocess.check_output(leased, text=True).split()
        assert torch.cuda.device_count() == 1
        assert uuid == f"GPU-{torch.cuda.get_device_properties(0).uuid}", uuid
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=True, timeout=300)
