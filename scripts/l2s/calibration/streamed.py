"""A causal language model of which one decoder layer is in memory at a time.

Layers are read from the safetensors files into one set of buffers, always the same; embedding rows are read one by one,
the output layer in pieces of the vocabulary. Memory is one layer, whatever the depth. Arithmetic is float32 whatever
the weights' dtype, one text at a time, without padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import torch

from l2s.calibration.architectures import not_calibrated
from l2s.checkpoints.headers import ITEM_BYTES, TensorPlace
from l2s.checkpoints.manifest import GET_AGAIN
from l2s.checkpoints.tensor_names import EMBEDDING, HEAD
from l2s.checkpoints.tensors import TensorReader, torch_dtype
from l2s.checkpoints.whole_model import check_whole
from l2s.errors import UserError, first_line
from l2s.files import read_json

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
        embedding_scale: What embeddings are multiplied by before the first layer.

    Raises:
        UserError: Calibration does not know the architecture, or files are missing or damaged, or the weights are not
            what the config says.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import AutoConfig, AutoModelForCausalLM

        self.folder, self.device = folder, torch.device(device)
        if reason := not_calibrated(read_json(folder / "config.json", GET_AGAIN)):
            raise UserError(f"{folder / 'config.json'}: {reason}")
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # the library raises many kinds; each means that there is no config
            raise UserError(
                f"{folder / 'config.json'}: not a config that transformers reads ({first_line(error)})"
            ) from error
        check_whole(folder)
        with torch.device("meta"):
            skeleton = AutoModelForCausalLM.from_config(
                config, attn_implementation="sdpa", dtype=torch.float32, trust_remote_code=False
            ).eval()
        self.reader = TensorReader(folder)
        self.piece = torch.empty(PIECE_ELEMENTS * ITEM_BYTES["F32"], dtype=torch.uint8)
        self.head = HEAD if HEAD in self.reader.places else EMBEDDING
        self.layers, self.hidden = config.num_hidden_layers, config.hidden_size
        self.vocabulary = self.place(self.head).shape[0]
        self.embedding_scale = getattr(skeleton.model.embed_tokens, "scalar_embed_scale", 1.0)
        self.norm = skeleton.model.norm.to_empty(device=self.device)
        self.layer = skeleton.model.layers[0].to_empty(device=self.device)
        skeleton.model.rotary_emb = type(skeleton.model.rotary_emb)(config).to(self.device)
        skeleton.model.layers = torch.nn.ModuleList(_Listener() for _ in range(self.layers))
        self.around = skeleton.model
        self.number = 0
        self.rows = torch.empty(min(VOCABULARY_CHUNK, self.vocabulary), self.hidden, device=self.device)
        self._load(self.norm, NORM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.reader.__exit__(*details)

    def load_layer(self, number: int) -> None:
        """Put the weights of a decoder layer into ``layer``."""
        self.number = number
        self._load(self.layer, f"model.layers.{number}")

    def run_layer(self, states: torch.Tensor) -> torch.Tensor:
        """Run the loaded layer on one text's hidden states, float32 [tokens, hidden], with causal attention."""
        with torch.no_grad():
            self.around(inputs_embeds=states[None].detach(), use_cache=False)
        out = self.layer(states[None], **self.around.layers[self.number].heard)
        return (out[0] if isinstance(out, tuple) else out)[0]

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return what enters the first layer for token ids [tokens], float32 [tokens, hidden]."""
        return self.embedding_rows(ids) * self.embedding_scale

    def embedding_rows(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings' rows of token ids [tokens], float32 [tokens, hidden]; no others are read."""
        place = self.place(EMBEDDING)
        if int(ids.max()) >= place.shape[0]:
            raise UserError(f"{place.file}: token {int(ids.max())} is beyond the {place.shape[0]} embeddings")
        unique, inverse = torch.unique(ids, return_inverse=True)
        rows = torch.empty(len(unique), self.hidden, device=self.device)
        for row, token in zip(rows, unique.tolist(), strict=True):
            self.read(place, token * self.hidden, row)
        return rows[inverse.to(self.device)]

    def head_chunks(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield (first row, float32 [rows, hidden]) of the output layer, piece by piece, in a buffer that is reused."""
        place = self.place(self.head)
        for first in range(0, self.vocabulary, VOCABULARY_CHUNK):
            rows = self.rows[: min(VOCABULARY_CHUNK, self.vocabulary - first)]
            self.read(place, first * self.hidden, rows)
            yield first, rows

    def _load(self, module: torch.nn.Module, prefix: str) -> None:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                place = self.place(f"{prefix}.{name}")
                if place.shape != tuple(parameter.shape):
                    raise UserError(
                        f"{place.file}: tensor '{prefix}.{name}' has shape {place.shape}, the config "
                        f"says {tuple(parameter.shape)}"
                    )
                self.read(place, 0, parameter.data)

    def place(self, name: str) -> TensorPlace:
        """Return where a tensor lies."""
        if name not in self.reader.places:
            raise UserError(f"{self.folder}: there is no tensor '{name}', which the architecture needs")
        return self.reader.places[name]

    def read(self, place: TensorPlace, first: int, into: torch.Tensor) -> None:
        """Fill ``into``, float32, with a tensor's elements from ``first`` on."""
        flat, item, buffer = into.view(-1), ITEM_BYTES[place.dtype], memoryview(self.piece.numpy())
        for start in range(0, len(flat), PIECE_ELEMENTS):
            target = flat[start : start + PIECE_ELEMENTS]
            nbytes = len(target) * item
            self.reader.read(place, (first + start) * item, buffer[:nbytes])
            target.copy_(self.piece[:nbytes].view(torch_dtype(place.dtype)))


class _Listener(torch.nn.Module):
    """In a layer's place hears what the model hands that layer beside the states: mask, rotation, positions.

    So masks of sliding windows and rotations by kind of layer are the model's own.
    """

    def forward(self, states: torch.Tensor, **heard: Any) -> torch.Tensor:
        self.heard = heard
        return states
