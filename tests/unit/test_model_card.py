"""The model card of a checkpoint, as the Hugging Face hub reads it."""

import pytest
import yaml
from huggingface_hub import ModelCard

from l2s.checkpoints.manifest import Manifest, Parent
from l2s.checkpoints.model_card import model_card

QUICK, SLOW = (f"team/{name}@{digit * 40}" for name, digit in (("quick", "1"), ("slow", "2")))
RECIPE = {"method": "ties", "scale": {"*": 0.5}, "base": "modèles/quick"}


def card(kind, *parents):
    values = {"content_id": "c" * 64, "recipe": RECIPE, "tensors": {}, "files": {}, "policies": {"tokenizer": "quick"}}
    return ModelCard(model_card(Manifest(kind=kind, parents=parents, **values)))


@pytest.mark.parametrize(("kind", "relation"), [("merged", "merge"), ("trained", "finetune")])
def test_a_card_tells_the_hub_the_parents_and_what_was_made_of_them(kind, relation):
    parents = [Parent(used_as="base", source=QUICK, licence="MIT"), Parent(used_as="model", source=SLOW, licence="MIT")]
    assert card(kind, *parents).data.to_dict() == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": [relation, "ties"],
        "base_model": ["team/quick", "team/slow"],
        "base_model_relation": relation,
        "license": "mit",
    }


@pytest.mark.parametrize("kind", ["merged", "trained"])
def test_a_card_of_local_parents_names_none_on_the_hub_and_no_licence_that_they_do_not_share(kind):
    parents = [
        Parent(used_as="base", source="a", licence="MIT"),
        Parent(used_as="model", source="b", licence="Apache-2.0"),
    ]
    assert card(kind, *parents).data.to_dict().keys() == {"library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize("kind", ["merged", "trained"])
def test_a_card_holds_recipe_parents_and_content_id(kind):
    text = card(kind, Parent(used_as="base", source=QUICK, content_id="d" * 64)).text
    assert yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]) == RECIPE
    assert f"| base | {QUICK} | not stated: ask before you publish | {'d' * 16} |" in text
    assert "c" * 64 in text
    assert ("- **tokenizer**: quick" in text) == (kind == "merged")
