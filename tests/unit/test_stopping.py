"""Stop strings end a response at the first token after which its text holds one, however the tokens cut the text."""

import random

import pytest
from support import DEMO
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from l2s.decoding.stopping import Stops, Watch

STOPS = ["\n\nQuestion:", "</s>", "né", "🙂!", "a a"]
PIECES = [
    "\n\nQuestion:",
    "</s>",
    "né",
    "🙂!",
    "a a",
    "Question",
    "\n",
    "x" * 30,
    "naïve ",
    "🙂",
    "é",
    "a",
    " a",
    "<",
    "s>",
]


def byte_level():
    """The demo's tokenizer, in which a character of several bytes is several tokens, with a special token."""
    return PreTrainedTokenizerFast.from_pretrained(DEMO / "slow")


def pieces_with_spaces():
    """A tokenizer as SentencePiece makes them: spaces in the pieces, the first one stripped, unknown bytes spelt."""
    words = ["<unk>", "<s>", "▁", *(f"<0x{byte:02X}>" for byte in range(256)), *"Questionaxsé:<>/\n", "▁a", "Quest"]
    model = models.BPE({word: number for number, word in enumerate(words)}, [], unk_token="<unk>", byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def end_by_definition(stops, ids):
    """Spell the whole response again after every token; return how many it takes to end it, None if it does not."""
    texts = (stops.spell(ids[:count]) for count in range(1, len(ids) + 1))
    return next((count for count, text in enumerate(texts, 1) if any(stop in text for stop in stops.strings)), None)


def end_by_watch(stops, ids):
    watch = Watch(stops)
    for count, token in enumerate(ids, start=1):
        watch.sees(token)
        if watch.ended:
            return count
    return None


@pytest.mark.parametrize("tokenizer", [byte_level(), pieces_with_spaces()], ids=["byte level", "pieces"])
@pytest.mark.parametrize("seed", range(5))
def test_watching_agrees_with_spelling_the_whole_response_every_time(tokenizer, seed):
    chance = random.Random(seed)
    ends = []
    for _ in range(60):
        stops = Stops.of(tokenizer, [], chance.sample(STOPS, chance.randint(1, 3)))
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 25)))
        ids = tokenizer.encode(text, add_special_tokens=False)
        ids = [token for token in ids for token in ([token, chance.choice(ids)] if chance.random() < 0.1 else [token])]
        for special in tokenizer.all_special_ids:  # left out of the text, wherever it comes
            ids.insert(chance.randrange(len(ids) + 1), special)
        ends.append(end_by_watch(stops, ids))
        assert ends[-1] == end_by_definition(stops, ids), (stops.strings, text)
    assert ends.count(None) not in (0, len(ends))


def test_a_tail_stays_short_however_long_the_response():
    watch = Watch(Stops.of(byte_level(), [], ["\n\nQuestion:"]))
    for _ in range(2000):
        watch.sees(20)
    assert len(watch._tail) < 80


def test_text_is_cut_before_the_stop_string_that_comes_first():
    tokenizer = byte_level()
    stops = Stops.of(tokenizer, [], ["second", "first"])
    assert stops.text(tokenizer.encode("One, first, second.")) == "One, "
    assert stops.text(tokenizer.encode("One.")) == "One."


def test_a_stop_string_that_is_a_token_is_a_stop_token():
    tokenizer = byte_level()
    stops = Stops.of(tokenizer, [7], ["<|endoftext|>", "<|im_end|>"])
    assert stops.ids == {7, tokenizer.eos_token_id}
    watch = Watch(stops)
    watch.sees(tokenizer.eos_token_id)
    assert watch.ended
    assert end_by_watch(stops, tokenizer.encode("6.<|im_end|>7")) == len(tokenizer.encode("6.<|im_end|>"))
