"""A causal language model of which one decoder layer is in memory at a time.

Layers are read from the safetensors files into one set of buffers, always the same; embedding rows are read one by one,
the output layer in pieces of the vocabulary. Memory is one layer, whatever the depth. Arithmetic is float32 whatever
the weights' dtype, one text at a time, without padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch

from l2s.checkpoints.headers import ITEM_BYTES, TensorPlace
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD
from l2s.checkpoints.tensors import TensorReader, torch_dtype
from l2s.checkpoints.whole_model import check_whole
from l2s.errors import UserError, first_line

# Decoder layers are called alike in these, embeddings are not scaled and logits not capped.
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")
FULL_ATTENTION = "full_attention"
NORM = "model.norm"
VOCABULARY_CHUNK = 8192
PIECE_ELEMENTS = 1 << 22


class StreamedModel:
    """Reads a model folder layer by layer; a context manager that closes its files.

    Attributes:
        layers: Number of decoder layers.
        hidden: Width of the hidden states.
        vocabulary: Number of rows of the output layer.
        layer: The decoder layer's module, with the weights of the layer that was loaded last, float32.
        norm: The final norm, float32.

    Raises:
        UserError: The architecture is not one of ``ARCHITECTURES``, or files are missing or damaged, or the weights
            are not what the config says.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoConfig, AutoModelForCausalLM

        self.folder, self.device = folder, torch.device(device)
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # the library raises many kinds; each means that there is no config
            raise UserError(
                f"{folder / 'config.json'}: not a config that transformers reads ({first_line(error)})"
            ) from error
        kinds = set(getattr(config, "layer_types", None) or [FULL_ATTENTION])
        if config.model_type not in ARCHITECTURES or kinds != {FULL_ATTENTION}:
            raise UserError(
                f"{folder / 'config.json'}: calibration knows {', '.join(ARCHITECTURES)} with full attention, not "
                f"{config.model_type} with {', '.join(sorted(kinds))}"
            )
        check_whole(folder)
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(
                config, attn_implementation="sdpa", dtype=torch.float32, trust_remote_code=False
            ).eval()
        self.reader = TensorReader(folder)
        self.piece = torch.empty(PIECE_ELEMENTS * ITEM_BYTES["F32"], dtype=torch.uint8)
        self.head = HEAD if HEAD in self.reader.places else EMBEDDING
        self.layers, self.hidden = config.num_hidden_layers, config.hidden_size
        self.vocabulary = self._place(self.head).shape[0]
        self.rotary = type(skeleton.model.rotary_emb)(config).to(self.device)
        self.norm = skeleton.model.norm.to_empty(device=self.device)
        self.layer = skeleton.model.layers[0].to_empty(device=self.device)
        self.rows = torch.empty(min(VOCABULARY_CHUNK, self.vocabulary), self.hidden, device=self.device)
        self._load(self.norm, NORM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.reader.__exit__(*details)

    def load_layer(self, number: int) -> None:
        """Put the weights of a decoder layer into ``layer``."""
        self._load(self.layer, f"model.layers.{number}")

    def run_layer(self, states: torch.Tensor) -> torch.Tensor:
        """Run the loaded layer on one text's hidden states, float32 [tokens, hidden], with causal attention."""
        positions = torch.arange(len(states), device=self.device)[None]
        inputs = states[None]
        rotation = self.rotary(inputs, positions)
        out = self.layer(inputs, attention_mask=None, position_ids=positions, position_embeddings=rotation)
        return (out[0] if isinstance(out, tuple) else out)[0]

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of token ids [tokens], float32 [tokens, hidden]; only their rows are read."""
        place = self._place(EMBEDDING)
        if int(ids.max()) >= place.shape[0]:
            raise UserError(f"{place.file}: token {int(ids.max())} is beyond the {place.shape[0]} embeddings")
        unique, inverse = torch.unique(ids, return_inverse=True)
        rows = torch.empty(len(unique), self.hidden, device=self.device)
        for row, token in zip(rows, unique.tolist(), strict=True):
            self._read(place, token * self.hidden, row)
        return rows[inverse.to(self.device)]

    def head_chunks(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (first row, float32 [rows, hidden]) of the output layer, piece by piece, in a buffer that is reused."""
        place = self._place(self.head)
        for first in range(0, self.vocabulary, VOCABULARY_CHUNK):
            rows = self.rows[: min(VOCABULARY_CHUNK, self.vocabulary - first)]
            self._read(place, first * self.hidden, rows)
            yield first, rows

    def _load(self, module: torch.nn.Module, prefix: str) -> None:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                place = self._place(f"{prefix}.{name}")
                if place.shape != tuple(parameter.shape):
                    raise UserError(
                        f"{place.file}: tensor '{prefix}.{name}' has shape {place.shape}, the config "
                        f"says {tuple(parameter.shape)}"
                    )
                self._read(place, 0, parameter.data)

    def _place(self, name: str) -> TensorPlace:
        if name not in self.reader.places:
            raise UserError(f"{self.folder}: there is no tensor '{name}', which the architecture needs")
        return self.reader.places[name]

    def _read(self, place: TensorPlace, first: int, into: torch.Tensor) -> None:
        """Fill ``into`` with a tensor's elements from ``first`` on."""
        flat, item, buffer = into.view(-1), ITEM_BYTES[place.dtype], memoryview(self.piece.numpy())
        for start in range(0, len(flat), PIECE_ELEMENTS):
            target = flat[start : start + PIECE_ELEMENTS]
            nbytes = len(target) * item
            self.reader.read(place, (first + start) * item, buffer[:nbytes])
            target.copy_(self.piece[:nbytes].view(torch_dtype(place.dtype)))
