"""Element-wise methods use only operations that IEEE 754 rounds exactly, so that every device gives the same tensors.

That does not replace `make test-cuda`, which compares the tensors themselves on a GPU.
"""

import pytest
import torch
from test_methods import RECIPES
from torch.utils._python_dispatch import TorchDispatchMode

from l2s.merging.engine.contract import Chunk
from l2s.merging.engine.recipe import parse_recipe

NAME, SIZE = "model.layers.0.mlp.up_proj.weight", (8, 32)
FACTORS = {NAME: torch.rand(SIZE[1], generator=torch.Generator().manual_seed(9))}
CASES = [
    *[({**recipe, "fidelity": fidelity}, None) for recipe in RECIPES for fidelity in ("exact", "released")],
    ({"method": "aim", "of": {"method": "ties", "keep_fraction": 0.2, "scale": 1.0}}, (FACTORS, None)),
    ({"method": "sens", "variant": "published"}, {NAME: (1.0, [0.3, 0.4])}),
]
# Rounded once, or not at all. Not here: what fuses or accumulates (lerp, addcmul, dot, sum) or approximates (exp).
ROUNDED_ONCE = {"add", "sub", "mul", "div"}
EXACT = {"abs", "sign", "neg", "ge", "gt", "eq", "ne", "clamp", "clamp_min", "copy", "clone", "to", "_to_copy", "where"}
PLACED = {
    "view",
    "_unsafe_view",
    "expand",
    "slice",
    "empty_like",
    "new_empty",
    "detach",
    "lift_fresh",
    "alias",
    "select",
}


class Recorder(TorchDispatchMode):
    """Notes every operation, and refuses those that devices may round differently."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, _, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function.overloadpacket.__name__
        plain = name.removesuffix("_") if not name.startswith("_") else name
        assert plain in ROUNDED_ONCE | EXACT | PLACED, f"{name} may differ between devices"
        assert kwargs.get("alpha", 1) == 1, f"{name} with alpha is fused on some devices"
        if plain == "div":
            assert isinstance(args[1], torch.Tensor), "CUDA divides by a number by multiplying with its reciprocal"
        self.seen.add(plain)
        return function(*args, **kwargs)


@pytest.mark.parametrize(("recipe", "prepared"), CASES, ids=[recipe["method"] for recipe, _ in CASES])
def test_every_operation_is_rounded_alike_on_every_device(recipe, prepared):
    parents = {"models": ["m", "n"]} if recipe["method"] == "average" else {"base": "b", "models": ["m", "n"]}
    parsed = parse_recipe({**recipe, **parents}, "test")
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if parsed.released else torch.float32
    vectors = [torch.randn(SIZE, generator=generator).flatten().to(dtype) for _ in range(3)]

    def chunk():
        base, *models = (vector.clone() for vector in vectors)
        if not parsed.method.needs_base:
            return Chunk(NAME, SIZE, 0, None, [base, *models], prepared)
        return Chunk(NAME, SIZE, 0, base, models, prepared)

    tally = parsed.method.tally(2, parsed.released)
    for _ in range(tally.passes if tally else 0):
        parsed.method.count(chunk(), tally)
        tally.finish_pass()
    asked = chunk()
    with Recorder() as recorder:
        parsed.method.merge(asked, tally)
    assert recorder.seen & ROUNDED_ONCE
