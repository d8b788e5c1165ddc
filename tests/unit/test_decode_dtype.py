"""The dtype of decoding: one for all, or by role and by the method that made a checkpoint."""

import json
import runpy

import pytest
import yaml
from merges import merge
from support import DEMO, ROOT

from l2s.config import validate
from l2s.decoding.session import numeric_settings
from l2s.decoding.settings import DecodingEntry, Role
from l2s.decoding.stopping import Stops
from l2s.errors import UserError
from l2s.experiment import Experiment

PAPER = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
BY_ROLE = {"quick": "float32", "slow": "float16", "merged": "bfloat16"}


def settings(dtype):
    values = {"prompt": "demo", "max_new_tokens": 8, "engine": "transformers", "device": "cpu", "dtype": dtype}
    return validate(DecodingEntry, values, "d.yaml")


@pytest.fixture(scope="module")
def experiment():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield Experiment(PAPER, ROOT / "config")


def test_dtype_goes_by_role_and_the_methods_own_goes_before():
    chosen = settings({**BY_ROLE, "sens": "float16", "dpo": "float32"})
    assert chosen.by_role
    assert [chosen.for_roles([role]).dtype for role in Role] == ["float32", "float16", "bfloat16"]
    assert chosen.for_roles({Role.QUICK, Role.SLOW}).dtype == "float16"
    made = {method: chosen.for_roles([Role.MERGED], method).dtype for method in ("sens", "dpo", "aim")}
    assert made == {"sens": "float16", "dpo": "float32", "aim": "bfloat16"}
    assert settings("float32").for_roles([Role.MERGED], "sens") == settings("float32")


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ({**BY_ROLE, "sense": "float16"}, "key 'dtype': 'sense' is neither a role nor a recipe's method; did you mean"),
        ({"quick": "float32"}, "key 'dtype': add slow, merged: by role it needs each of quick, slow, merged"),
        ({"sens": "float16"}, "key 'dtype': add quick, slow, merged"),
        ({**BY_ROLE, "sens": "float8"}, r"^d.yaml: key 'dtype.sens': Input should be .*\(found 'float8'\)$"),
        ("float8", r"^d.yaml: key 'dtype': Input should be 'float32', 'bfloat16' or 'float16' \(found 'float8'\)$"),
    ],
)  # fmt: skip
def test_dtype_of_nothing_that_is_decoded_or_of_too_little_is_refused(dtype, message):
    with pytest.raises(UserError, match=message):
        settings(dtype)


def test_settings_by_role_find_the_responses_of_those_with_one_dtype():
    stops = Stops(frozenset([1]), frozenset(), None)
    by_role, one = settings({**BY_ROLE, "sens": "float16"}).for_roles([Role.MERGED]), settings("bfloat16")
    assert by_role.model_dump(mode="json") == one.model_dump(mode="json")
    assert numeric_settings(by_role, {}, 64, stops) == numeric_settings(one, {}, 64, stops)


def test_the_paper_decodes_sens_in_float16_and_all_else_in_bfloat16(experiment):
    found = {"paper": {}, "paper-bfloat16": {}}
    for checkpoint, decoding in experiment.asked:
        if decoding in found:
            merge = experiment.merges.get(checkpoint)
            method = merge.recipe.method.method if merge else None
            found[decoding].setdefault(experiment.decoding_of(checkpoint, decoding).dtype, set()).add(method)
    assert found["paper"]["float16"] == {"sens"}
    assert found["paper"].keys() == {"float16", "bfloat16"} and "sens" not in found["paper"]["bfloat16"]
    assert found["paper-bfloat16"].keys() == {"bfloat16"} and "sens" in found["paper-bfloat16"]["bfloat16"]


def test_sens_of_14b_and_32b_takes_the_devices_of_any_other_merge(experiment):
    lines = [line for study in ("table_3", "calibrated_32b") for line in experiment.lines[study]]
    checkpoints = {f"{line.pair} {line.method}": line.checkpoint for line in lines}
    devices = {name: experiment.decoding_of(checkpoint, "paper").gpus for name, checkpoint in checkpoints.items()}
    assert (devices["14b sens"], devices["32b sens"]) == (devices["14b aim"], devices["32b aim"]) == (1, 2)
    assert experiment.size(checkpoints["14b sens"]) == 2 * experiment.size(checkpoints["14b aim"]) == 2 * 29_540_067_328


def test_the_paper_shows_the_sens_rows_of_each_size_in_both_dtypes(experiment):
    for study, table in (("sens_dtype_1.5b", "table_2"), ("sens_dtype_7b", "table_1"), ("sens_dtype_14b", "table_3")):
        (row,) = [line.checkpoint for line in experiment.lines[table] if line.method == "sens"]
        assert experiment.compared(study) == [(row, "paper"), (row, "paper-bfloat16")]
        assert experiment.studies[study].benchmarks == experiment.studies[table].benchmarks


def test_by_hand_the_method_is_that_of_the_checkpoints_manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = {"method": "task_arithmetic", "tokenizer": "slow"}
    merge(recipe, DEMO / "quick", [DEMO / "slow"], tmp_path / "merged")
    decode = runpy.run_path(str(ROOT / "scripts" / "decode.py"))
    benchmark = yaml.safe_load((ROOT / "config" / "benchmarks" / "demo_arithmetic.yaml").read_text())
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({**benchmark, "first": 2}))
    for name, dtype in {"own": {**BY_ROLE, "task_arithmetic": "float32"}, "role": BY_ROLE}.items():
        named = decode["Named"]("d", settings(dtype), "d.yaml")
        out = tmp_path / f"{name}.parquet"
        decode["main"](str(tmp_path / "merged"), [str(tmp_path / "two.yaml")], out, named)
    sidecars = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("own", "role")]
    assert [sidecar["settings"]["dtype"] for sidecar in sidecars] == ["float32", "bfloat16"]
