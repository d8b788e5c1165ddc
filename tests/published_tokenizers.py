"""Small tokenizers in files built as DeepSeek, Qwen and Meta publish theirs: which file says what about special tokens.

They share one byte-level BPE of a few merges, trained here. DeepSeek's tokenizer.json adds no token, its
tokenizer_config.json asks for one; Qwen's neither; Meta's tokenizer.json adds one, its tokenizer_config.json is silent.
"""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = (
    "Please reason step by step, and put your final answer within \\boxed{}. Question: Answer: User: Assistant: system"
)
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
DEEPSEEK_CHAT = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}<｜User｜>{{ message.content }}"
    "{% else %}{{ message.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n"
    "{% endif %}"
)
QWEN_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_CHAT = "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}<|eot|>{% endfor %}"


def deepseek(folder, **changed):
    """Write a tokenizer as DeepSeek-R1-Distill-Qwen's; return its folder."""
    special = {
        END: True,
        "<｜User｜>": False,
        "<｜Assistant｜>": False,
        BEGIN: True,
        "<think>": False,
        "</think>": False,
    }
    config = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": _dumped(BEGIN),
        "clean_up_tokenization_spaces": False,
        "eos_token": _dumped(END),
        "legacy": True,
        "model_max_length": 16384,
        "pad_token": _dumped(END),
        "sp_model_kwargs": {},
        "unk_token": None,
        "tokenizer_class": "LlamaTokenizerFast",
        "chat_template": DEEPSEEK_CHAT,
    }
    return _write(folder, special, {**config, **changed})


def qwen(folder, **changed):
    """Write a tokenizer as Qwen2.5-Math's; return its folder."""
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "bos_token": None,
        "chat_template": QWEN_CHAT,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    return _write(folder, dict.fromkeys(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], True), {**config, **changed})


def llama(folder, **changed):
    """Write a tokenizer as Llama 3's: its tokenizer.json has a template for the begin-of-sequence token."""
    config = {
        "bos_token": "<|begin|>",
        "chat_template": LLAMA_CHAT,
        "clean_up_tokenization_spaces": True,
        "eos_token": "<|eot|>",
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    special = dict.fromkeys(["<|begin|>", "<|eot|>"], True)
    return _write(folder, special, {**config, **changed}, template="<|begin|>")


def _dumped(token):
    flags = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken", "content": token, **flags}


def _write(folder, special, config, template=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(WORDS), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, min_frequency=1, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_tokens([AddedToken(token, special=is_special) for token, is_special in special.items()])
    processor = processors.ByteLevel(trim_offsets=False)
    if template:
        begin = processors.TemplateProcessing(
            single=[template, "$A"], special_tokens=[(template, tokenizer.token_to_id(template))]
        )
        processor = processors.Sequence([processor, begin])
    tokenizer.post_processor = processor
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
