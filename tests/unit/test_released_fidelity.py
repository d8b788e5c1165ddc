"""What ``fidelity: released`` means where the base's embeddings are tied, and for methods without released code."""

import json

import pytest
import torch
from merges import made_up_calibrations, merge, parse
from methods.recipes import recipe_id
from support import load_tensors

HEAD = "lm_head.weight"
TIES = {"method": "ties", "keep_fraction": 0.3, "scale": 0.8}
IN_FLOAT32 = [
    {"method": "sens"},
    {"method": "sens", "variant": "published"},
    {"method": "lore", "mu": 0.2, "iterations": 2},
    {"method": "twin", "rank": 3},
    {"method": "aim", "of": {"method": "sens"}},
    {"method": "aim", "of": {"method": "lore", "mu": 0.2, "iterations": 2}},
]


@pytest.fixture
def tied_pair(make_model):
    """A base with tied embeddings and a context length of its own, and a slow model with an output layer."""
    config = {"tie_word_embeddings": True, "max_position_embeddings": 4096}
    base = make_model("base", 0, torch.bfloat16, drop=(HEAD,), **config)
    return base, [make_model("slow", 1, torch.bfloat16, max_position_embeddings=131072)]


@pytest.fixture
def merged_as(tied_pair, tmp_path):
    """Merge the tied pair with made-up calibrations: merged_as(recipe, fidelity) -> tensors, manifest."""
    base, slow = tied_pair

    def run(recipe, fidelity):
        asked = parse(recipe, base, slow)[0].method.calibrations_needed(1)
        data = made_up_calibrations(asked, load_tensors(slow[0]))
        manifest = merge({**recipe, "fidelity": fidelity}, base, slow, tmp_path / fidelity, calibrations=data)
        return load_tensors(tmp_path / fidelity), manifest

    return run


@pytest.mark.parametrize("recipe", [*IN_FLOAT32, TIES, {"method": "aim", "of": TIES}], ids=recipe_id)
def test_released_merge_of_a_tied_base_lacks_the_output_layer_and_has_the_bases_config(tmp_path, merged_as, recipe):
    tensors, manifest = merged_as(recipe, "released")
    config = json.loads((tmp_path / "released" / "config.json").read_text())
    assert HEAD not in tensors
    assert (config["max_position_embeddings"], config["tie_word_embeddings"]) == (4096, True)
    assert manifest.policies["lm_head"].startswith("dropped: the ")


@pytest.mark.parametrize("recipe", IN_FLOAT32, ids=recipe_id)
def test_methods_without_released_bfloat16_code_compute_as_exact_does(merged_as, recipe):
    (released, _), (exact, _) = merged_as(recipe, "released"), merged_as(recipe, "exact")
    assert exact.keys() - released.keys() == {HEAD}
    assert all(torch.equal(released[name], exact[name]) for name in released)


def test_released_aim_relaxes_what_the_inner_methods_released_code_writes(tied_pair, merged_as):
    base, slow = tied_pair
    inner, _ = merged_as(TIES, "released")
    recipe = {"method": "aim", "of": TIES, "omega": 0.4}
    asked = parse(recipe, base, slow)[0].method.calibrations_needed(1)
    means = made_up_calibrations(asked, load_tensors(slow[0]))["importance"]
    relaxed, _ = merged_as(recipe, "released")
    exact, _ = merged_as(recipe, "exact")
    for name, start in load_tensors(base).items():
        wanted = inner[name]
        if name in means:
            importance = torch.as_tensor(means[name]) / float(means[name].max())
            factor = 1 - importance * (1 - 0.4)
            wanted = ((inner[name].float() - start) * factor + start).bfloat16()
        assert torch.equal(relaxed[name], wanted), name
    assert any(not torch.equal(exact[name], relaxed[name]) for name in relaxed)
