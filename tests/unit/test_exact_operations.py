"""Element-wise methods use only operations that IEEE 754 rounds exactly, so that every device gives the same tensors.

That does not replace `make test-cuda`, which compares the tensors themselves on a GPU.
"""

import pytest
import torch
from merges import plan
from methods.recipes import ON_ELEMENTS, recipe_id, slow_models
from support import SHAPES
from torch.utils._python_dispatch import TorchDispatchMode

from l2s.merging.engine.contract import Chunk
from l2s.merging.engine.recipe import parse_method

NAME = "model.layers.0.mlp.down_proj.weight"
CASES = [
    {**recipe, "fidelity": fidelity}
    for recipe in ON_ELEMENTS
    for fidelity in ("exact", "released")
    if fidelity == "exact" or parse_method(recipe, "test").released_in_bfloat16
]
# Rounded once, or not at all. Not here: what fuses or accumulates (lerp, addcmul, dot, sum) or approximates (exp).
ROUNDED_ONCE = {"add", "sub", "mul", "div"}
EXACT = {"abs", "sign", "neg", "ge", "gt", "le", "eq", "ne", "clamp", "clamp_min", "where"}
COPIED = {"copy", "clone", "to", "_to_copy"}
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
        assert plain in ROUNDED_ONCE | EXACT | COPIED | PLACED, f"{name} may differ between devices"
        assert kwargs.get("alpha", 1) == 1, f"{name} with alpha is fused on some devices"
        if plain == "div":
            assert isinstance(args[1], torch.Tensor), "CUDA divides by a number by multiplying with its reciprocal"
        self.seen.add(plain)
        return function(*args, **kwargs)


@pytest.mark.parametrize("recipe", CASES, ids=recipe_id)
def test_every_operation_is_rounded_alike_on_every_device(make_model, recipe):
    base = make_model("base", 0)
    slow = [make_model(f"slow{seed}", seed) for seed in range(1, min(2, max(slow_models(recipe))) + 1)]
    planned = plan(recipe, base, slow)
    method, released = planned.recipe.method, planned.recipe.in_bfloat16
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if released else torch.float32
    vectors = [torch.randn(SHAPES[NAME], generator=generator).flatten().to(dtype) for _ in planned.sources]

    def chunk():
        models = [vector.clone() for vector in vectors]
        start = models.pop(0) if method.needs_base else None
        return Chunk(NAME, SHAPES[NAME], 0, start, models, planned.prepared)

    tally = method.tally(len(planned.recipe.inputs.models), released)
    for _ in range(tally.passes if tally else 0):
        method.count(chunk(), tally)
        tally.finish_pass()
    asked = chunk()
    with Recorder() as recorder:
        method.merge(asked, tally)
    assert recorder.seen & ROUNDED_ONCE
