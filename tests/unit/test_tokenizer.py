"""A tokenizer adds to a text what its published files ask for, whichever of them says it, and never twice."""

import json

import published_tokenizers
import pytest
from support import DEMO
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from l2s.checkpoints.tokenizer import adds_begin, load_tokenizer
from l2s.errors import UserError


@pytest.fixture
def published(tmp_path):
    def load(kind, **changed):
        return load_tokenizer(getattr(published_tokenizers, kind)(tmp_path / kind, **changed))

    return load


def test_files_alone_give_no_begin_token_where_deepseek_asks_for_one(tmp_path):
    """What makes this module's code necessary; if it fails, transformers has begun to read the key."""
    folder = published_tokenizers.deepseek(tmp_path / "deepseek")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer.bos_token_id not in tokenizer.encode("5?")


@pytest.mark.parametrize(
    ("kind", "changed", "begins", "ends"),
    [
        ("deepseek", {}, True, False),
        ("deepseek", {"add_bos_token": False}, False, False),
        ("deepseek", {"add_bos_token": None}, True, False),  # the default of LlamaTokenizerFast
        ("deepseek", {"add_bos_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}, False, False),
        ("deepseek", {"add_bos_token": None, "tokenizer_class": "Qwen2Tokenizer"}, False, False),
        ("deepseek", {"add_eos_token": True}, True, True),
        ("deepseek", {"add_bos_token": False, "add_eos_token": True}, False, True),
        ("deepseek", {"bos_token": published_tokenizers.END, "add_eos_token": True}, True, True),
        ("qwen", {}, False, False),
        ("llama", {}, True, False),
        ("llama", {"add_bos_token": True}, True, False),
        ("llama", {"add_bos_token": True, "tokenizer_class": "LlamaTokenizerFast"}, True, False),
        ("llama", {"add_bos_token": False}, False, False),
        ("llama", {"add_eos_token": True}, True, True),
    ],
)
def test_special_tokens_are_added_exactly_where_the_files_ask_for_them(published, kind, changed, begins, ends):
    tokenizer = published(kind, **changed)
    plain = tokenizer.encode("Answer: 5?", add_special_tokens=False)
    begin, end = [tokenizer.bos_token_id] * begins, [tokenizer.eos_token_id] * ends
    assert tokenizer.encode("Answer: 5?") == [*begin, *plain, *end]
    assert adds_begin(tokenizer) is begins
    assert tokenizer.decode(plain) == "Answer: 5?"


@pytest.mark.parametrize(("kind", "added"), [("deepseek", [(0, 0)]), ("qwen", []), ("llama", [])])
def test_places_of_tokens_in_the_text_stay_as_in_the_file(published, tmp_path, kind, added):
    tokenizer, text = published(kind), "Question: 5?\n Answer"
    file = Tokenizer.from_file(str(tmp_path / kind / "tokenizer.json"))
    assert tokenizer(text, return_offsets_mapping=True)["offset_mapping"] == [*added, *file.encode(text).offsets]


@pytest.mark.parametrize("folder", ["quick", "slow"])
def test_demo_has_no_begin_token_and_its_tokenizer_is_left_as_it_is(folder):
    loaded, file = load_tokenizer(DEMO / folder), Tokenizer.from_file(str(DEMO / folder / "tokenizer.json"))
    assert loaded.bos_token is None
    assert loaded.encode("Question: 3*4") == file.encode("Question: 3*4").ids
    assert (
        json.loads(loaded.backend_tokenizer.to_str())["post_processor"] == json.loads(file.to_str())["post_processor"]
    )


@pytest.mark.parametrize(("key", "changed"), [("bos", {}), ("eos", {"add_eos_token": True})])
def test_token_that_is_asked_for_and_not_named_is_one_clear_line(published, key, changed):
    with pytest.raises(
        UserError, match=f"tokenizer_config.json: a '{key}_token' .* none is named; name it or set 'add_"
    ):
        published("deepseek", **changed, **{f"{key}_token": None})


def test_damaged_tokenizer_config_is_named(tmp_path):
    folder = published_tokenizers.qwen(tmp_path / "qwen")
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(UserError, match=r"qwen.*tokenizer_config.json"):
        load_tokenizer(folder)
