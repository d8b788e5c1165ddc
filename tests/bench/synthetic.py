"""Synthetic pairs of Qwen2.5 shapes: random bfloat16 weights, real files, nothing downloaded.

    python tests/bench/synthetic.py 1.5b FOLDER

The slow model is the quick one plus normal noise of a fiftieth of the weights' size, so that task vectors have the
spread of magnitudes that fine-tuning gives, and many values in common.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from l2s.checkpoints.tensors import Planned, TensorWriter

PIECE = 1 << 22


@dataclass(frozen=True)
class Shape:
    """A Qwen2.5 architecture, embeddings untied."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield every tensor's name and shape, in the order of the real checkpoints."""
        yield "model.embed_tokens.weight", (self.vocabulary, self.hidden)
        kv = self.hidden // self.heads * self.kv_heads
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            for name, rows in (("q", self.hidden), ("k", kv), ("v", kv)):
                yield f"{prefix}.self_attn.{name}_proj.weight", (rows, self.hidden)
                yield f"{prefix}.self_attn.{name}_proj.bias", (rows,)
            yield f"{prefix}.self_attn.o_proj.weight", (self.hidden, self.hidden)
            for name in ("gate", "up"):
                yield f"{prefix}.mlp.{name}_proj.weight", (self.intermediate, self.hidden)
            yield f"{prefix}.mlp.down_proj.weight", (self.hidden, self.intermediate)
            for name in ("input", "post_attention"):
                yield f"{prefix}.{name}_layernorm.weight", (self.hidden,)
        yield "model.norm.weight", (self.hidden,)
        yield "lm_head.weight", (self.vocabulary, self.hidden)

    def config(self) -> dict:
        """Return the model's config.json."""
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocabulary,
            "hidden_act": "silu",
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        }


SHAPES = {
    "small": Shape(512, 2048, 8, 8, 2, 32768),
    "1.5b": Shape(1536, 8960, 28, 12, 2, 151936),
    "1.5b-deep": Shape(1536, 8960, 56, 12, 2, 151936),
    "7b": Shape(3584, 18944, 28, 28, 4, 152064),
}


def build_model(shape: Shape, folder: Path) -> None:
    """Write one model of a shape; one that is there already is kept."""
    if (folder / "config.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    planned = {name: Planned("BF16", size) for name, size in shape.tensors()}
    generator = torch.Generator().manual_seed(0)
    with TensorWriter(folder, planned, 5 * 10**9) as writer:
        for name, tensor in planned.items():
            for first in range(0, tensor.nbytes // 2, PIECE):
                values = torch.randn(min(PIECE, tensor.nbytes // 2 - first), generator=generator).mul_(0.02)
                writer.write(name, 2 * first, memoryview(values.bfloat16().view(torch.uint8).numpy()))
    (folder / "config.json").write_text(json.dumps(shape.config()))


def build_pair(shape: Shape, folder: Path) -> tuple[Path, Path]:
    """Write a quick and a slow model of a shape; what is there already is kept."""
    paths = folder / "quick", folder / "slow"
    if all((path / "config.json").is_file() for path in paths):
        return paths
    planned = {name: Planned("BF16", size) for name, size in shape.tensors()}
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    with TensorWriter(paths[0], planned, 10**9) as quick, TensorWriter(paths[1], planned, 10**9) as slow:
        for name, tensor in planned.items():
            for first in range(0, tensor.nbytes // 2, PIECE):
                count = min(PIECE, tensor.nbytes // 2 - first)
                values = torch.randn(count, generator=generator).mul_(0.02)
                shift = torch.randn(count, generator=generator).mul_(0.0004)
                for writer, piece in ((quick, values), (slow, values + shift)):
                    data = piece.bfloat16().view(torch.uint8).numpy()
                    writer.write(name, 2 * first, memoryview(data))
    for path in paths:
        (path / "config.json").write_text(json.dumps(shape.config()))
    return paths


if __name__ == "__main__":
    build_pair(SHAPES[sys.argv[1]], Path(sys.argv[2]))
