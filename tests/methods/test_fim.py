"""FIM over TIES and other recipes, with Fisher information; calibrations that do not fit are refused."""

import numpy as np
import pytest
from merges import made_up_calibrations, merge, parse
from merges import reference as reference_of
from support import load_tensors

from l2s.errors import UserError

TIES = {"method": "ties", "keep_fraction": 0.3, "scale": 1.0}
RECIPES = [{"of": TIES}, {"of": {"method": "average"}}]


def reference(given, method):
    inner = given if method.of.needs_base else given._replace(base=None, models=[given.base, *given.models])
    merged = reference_of(inner, method.of)
    rows = given.calibrations["fisher"]
    scores = []
    for layer in (0, 1):
        own = [row for row in rows if row["layer"] == layer]
        gradient, elements, shift = (
            sum(row[column] for row in own) for column in ("squared_gradient", "elements", "squared_shift")
        )
        scores.append(np.log(gradient / elements * shift))
    normalised = (np.array(scores) - np.mean(scores)) / np.std(scores)
    by_layer = 1 / (1 + np.exp(normalised))
    for name, start in given.base.items():
        coefficient = by_layer[int(name.split(".")[2])] if "layers" in name else by_layer.mean()
        coefficient *= method.gate_factor if "gate_proj" in name else 1
        merged[name] = start + coefficient * (merged[name] - start)
    return merged


def change_of(recipe, base, slow, out, **options):
    """Return how far each tensor has moved, as a share of the way to the slow model."""
    merge({**recipe, "dtype": "float32"}, base, [slow], out, **options)
    before, moved, after = (load_tensors(folder) for folder in (base, slow, out))
    return {name: float(((t - before[name]) / (moved[name] - before[name])).median()) for name, t in after.items()}


def test_the_layer_with_the_higher_score_and_every_gate_move_less(make_model, tmp_path):
    base, slow = (make_model(name, seed, full=True) for seed, name in enumerate(("base", "slow")))
    recipe = {"method": "fim", "of": {"method": "task_arithmetic", "scale": 1.0}}
    shares = change_of(recipe, base, slow, tmp_path / "out")
    layers = [shares[f"model.layers.{layer}.mlp.down_proj.weight"] for layer in (0, 1)]
    # Two scores are one standard deviation above and below their mean.
    assert sorted(layers) == pytest.approx([1 / (1 + np.e), 1 / (1 + 1 / np.e)], abs=1e-4)
    for layer, share in enumerate(layers):
        assert shares[f"model.layers.{layer}.mlp.gate_proj.weight"] == pytest.approx(0.7 * share, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["layer"] != 1], "fisher.json: layer 1 is in the Fisher information"),
        (lambda rows: [{**row, "squared_shift": np.inf} for row in rows], "fisher.json: layer 0 has the score inf"),
    ],
)
def test_fisher_information_that_does_not_fit_is_refused(make_model, tmp_path, change, message):
    base, slow = make_model("base", 0), make_model("slow", 1)
    recipe = {"method": "fim", "of": TIES}
    parsed, _ = parse(recipe, base, [slow])
    data = made_up_calibrations(parsed.method.calibrations_needed(1), load_tensors(base))
    with pytest.raises(UserError, match=message):
        merge(recipe, base, [slow], tmp_path / "out", calibrations={"fisher": change(data["fisher"])})
