"""GGUF files (llama.cpp's format for quantised models): dequantised to a model folder that everything here reads.

transformers reads the tensors with the package gguf, to float32; they are then rounded to bfloat16, as most models are
published. What quantisation lost stays lost: the result is the model as the GGUF file has it, not as it was trained.
The whole model is in memory in float32 meanwhile.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from l2s.errors import UserError, first_line

DTYPE, BYTES_EACH = "bfloat16", 2


def elements_of(file: Path) -> int:
    """Return how many numbers the tensors of a GGUF file hold.

    Raises:
        UserError: It cannot be read.
    """
    return sum(int(tensor.n_elements) for tensor in _tensors(file))


def convert_gguf(file: Path, folder: Path) -> dict[str, Any]:
    """Write a GGUF file's model and tokenizer into an existing folder.

    Returns:
        What a manifest says about it: how many tensors had which quantisation, and what they were rounded to.

    Raises:
        UserError: The file cannot be read, or transformers does not know its architecture or quantisation.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = Counter(tensor.tensor_type.name for tensor in _tensors(file))
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name, "local_files_only": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # the libraries raise many kinds; each means that they cannot read it
        raise UserError(
            f"{file}: cannot be converted ({first_line(error)}); transformers must know its architecture and "
            "quantisation: give the original model instead ('repo' or 'path')"
        ) from error
    # Dequantised, it is a model like any other; transformers would refuse to save one that it takes for quantised.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.to(getattr(torch, DTYPE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"dequantised": dict(sorted(found.items())), "rounded_to": DTYPE}


def _tensors(file: Path) -> list[Any]:
    from gguf import GGUFReader

    try:
        return GGUFReader(file).tensors
    except Exception as error:
        raise UserError(f"{file}: is no GGUF file ({first_line(error)}); get it again") from error
