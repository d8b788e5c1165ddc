"""What a merge reads: parents are found by their manifests or their folders; nothing but a merge is overwritten."""

import pytest

from l2s.checkpoints.manifest import write_manifest
from l2s.checkpoints.weights import describe_model
from l2s.errors import UserError
from l2s.merging.engine.parents import find_parents, read_calibrations
from l2s.merging.engine.recipe import parse_recipe
from l2s.merging.engine.run import refuse_to_overwrite


def ties(base, slow):
    return parse_recipe({"method": "ties", "base": str(base), "models": [str(slow)]}, "recipe.yaml")


def test_a_manifest_gives_source_content_and_licence_and_a_folder_alone_its_absolute_path(
    make_model, tmp_path, monkeypatch
):
    base, slow = make_model("base", 0), make_model("slow", 1)
    monkeypatch.chdir(tmp_path)
    known = describe_model(base, "base", licence="Apache-2.0")
    write_manifest(known, tmp_path / "fetched" / "manifest.json")
    parents = find_parents(ties("base", "slow"), [tmp_path / "fetched" / "manifest.json"])
    assert [folder.resolve() for _, folder in parents] == [base, slow]
    first, second = (parent for parent, _ in parents)
    assert (first.used_as, first.source, first.content_id, first.licence) == (
        "base", "base", known.content_id, "Apache-2.0",
    )  # fmt: skip
    assert (second.used_as, second.source, second.licence) == ("model", str(slow), None)
    assert second.content_id == describe_model(slow, "slow").content_id


def test_the_card_in_a_models_folder_states_its_licence(make_model):
    base, slow = make_model("base", 0), make_model("slow", 1)
    (slow / "README.md").write_text("---\nlicense: mit\ntags: [x]\n---\n# Slow\n")
    (base / "README.md").write_text("# no metadata\n")
    assert [parent.licence for parent, _ in find_parents(ties(base, slow))] == [None, "mit"]


def test_a_manifest_beside_the_weights_gives_the_content(make_model):
    base, slow = make_model("base", 0), make_model("slow", 1)
    known = describe_model(slow, str(slow))
    write_manifest(known, slow / "manifest.json")
    (slow / "model.safetensors").unlink()  # what the manifest says is not digested again
    assert find_parents(ties(base, slow))[1][0].content_id == known.content_id


def test_a_manifest_of_a_model_that_the_recipe_does_not_name_is_refused(make_model, tmp_path):
    base, slow = make_model("base", 0), make_model("slow", 1)
    write_manifest(describe_model(base, "elsewhere"), tmp_path / "manifest.json")
    with pytest.raises(UserError, match=r"manifest\.json: describes elsewhere, which is not in the recipe"):
        find_parents(ties(base, slow), [tmp_path / "manifest.json"])


def test_a_calibration_that_the_method_does_not_read_is_refused(make_model, tmp_path):
    recipe = ties(make_model("base", 0), make_model("slow", 1))
    with pytest.raises(UserError, match="--calibration x: method 'ties' reads none"):
        read_calibrations(recipe, {"x": tmp_path / "x.json"}, find_parents(recipe))


def test_all_missing_calibrations_are_named_at_once_with_the_commands_that_measure_them(make_model):
    base, slow = make_model("base", 0), make_model("slow", 1)
    values = {"method": "sens", "calibration_data": "demo", "base": str(base), "models": [str(slow)]}
    recipe = parse_recipe(values, "recipe.yaml")
    with pytest.raises(UserError) as caught:
        read_calibrations(recipe, {}, find_parents(recipe))
    said = str(caught.value)
    assert "2 are missing: give --calibration quick=quick.json, measured by 'python scripts/calibrate.py" in said
    assert f"--kind sensitivities --model {base} --calibration-data demo --answer slow --out quick.json'" in said
    assert "; give --calibration slow_1=slow_1.json, measured by" in said


def test_a_merge_overwrites_neither_its_parents_nor_foreign_files(make_model, tmp_path):
    base = make_model("base", 0)
    refuse_to_overwrite(tmp_path / "new", [base])
    (tmp_path / "file").write_text("")
    for out, reason in [
        (tmp_path / "base" / ".." / "base", "is one of the models that are merged"),
        (tmp_path / "file", "is a file or lies below one"),
        (tmp_path / "file" / "below", "is a file or lies below one"),
        (make_model("other", 1), "exists and is not a merged checkpoint"),
    ]:
        with pytest.raises(UserError, match=reason):
            refuse_to_overwrite(out, [base])
    merged = make_model("merged", 2)
    write_manifest(describe_model(merged, "x").model_copy(update={"kind": "merged"}), merged / "manifest.json")
    refuse_to_overwrite(merged, [base])
    (merged / "notes.txt").write_text("dear")
    with pytest.raises(UserError, match=r"also holds notes\.txt"):
        refuse_to_overwrite(merged, [base])
