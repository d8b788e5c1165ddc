"""ACM over several recipes, with mutual information; calibrations that do not fit are refused."""

import re

import numpy as np
import pytest
from merges import made_up_calibrations, merge, parse
from merges import reference as reference_of
from support import load_tensors

from l2s.errors import UserError

TIES = {"method": "ties", "keep_fraction": 0.3, "scale": 1.0}
RECIPES = [
    {"of": {"method": "task_arithmetic", "scale": 0.7}},
    {"of": TIES, "variant": "released", "slope": 1.2},
    {"of": {"method": "average"}, "slope": -1.8},
    {"of": {"method": "twin", "rank": 3}},
]


def reference(given, method):
    inner = given if method.of.needs_base else given._replace(base=None, models=[given.base, *given.models])
    merged = reference_of(inner, method.of)
    rows = given.calibrations["information"]
    modules = {row["tensor"] for row in rows}
    measured = {m: np.array([row["mutual_information"] for row in rows if row["tensor"] == m]) for m in modules}
    for name, start in given.base.items():
        of_layer = re.sub(r"(layers\.\d+)\..*", r"\1.mlp.down_proj.weight", name)
        shared = measured[of_layer]
        if method.variant == "published":
            largest = max(values.mean() for values in measured.values())
            coefficient = 1 - sigmoid(method.slope * (shared.mean() - largest))
        else:
            coefficient = 1 - sigmoid(method.slope * (shared - shared.max())).mean()
        merged[name] = start + coefficient * (merged[name] - start)
    return merged


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_module_that_shares_most_moves_half_way_and_every_other_further(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    recipe = {"method": "acm", "of": {"method": "task_arithmetic", "scale": 1.0}, "dtype": "float32"}
    merge(recipe, base, [slow], tmp_path / "out")
    before, moved, after = (load_tensors(folder) for folder in (base, slow, tmp_path / "out"))
    shares = {n: float(((t - before[n]) / (moved[n] - before[n])).median()) for n, t in after.items()}
    assert min(shares.values()) == pytest.approx(0.5, abs=1e-4)
    assert max(shares.values()) < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["layer"] != 1], "information.json: has no activations for '.*rs.1"),
        (lambda rows: [{**row, "mutual_information": np.nan} for row in rows], "has no finite number; measure it"),
    ],
)
def test_mutual_information_that_does_not_fit_the_tensors_is_refused(make_model, tmp_path, change, message):
    base, slow = make_model("base", 0), make_model("slow", 1)
    recipe = {"method": "acm", "of": TIES}
    parsed, _ = parse(recipe, base, [slow])
    data = made_up_calibrations(parsed.method.calibrations_needed(1), load_tensors(base))
    with pytest.raises(UserError, match=message):
        merge(recipe, base, [slow], tmp_path / "out", calibrations={"information": change(data["information"])})
