"""What tests share besides fixtures: tiny models in real safetensors files, and copies of the project."""

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "workflow" / "resources" / "demo"
REAL_DATA = Path(os.environ.get("L2S_REAL_DATA", ROOT.parent / "shared" / "data"))
DEVICE = os.environ.get("L2S_DEVICE", "cpu")
"""What tests of engines run on: cpu, or cuda by `make smoke-gpu`."""
TOKEN = "hf_plantedTokenThatMustNotLeak"
PROJECT_PARTS = ("Snakefile", "config", "envs", "profiles", "scripts", "workflow")

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "eos_token_id": 1,
    "tie_word_embeddings": False,
}
SHAPES = {
    "model.embed_tokens.weight": (24, 16),
    "model.layers.0.mlp.down_proj.weight": (16, 40),
    "model.layers.0.input_layernorm.weight": (16,),
    "model.layers.1.mlp.down_proj.weight": (16, 40),
    "lm_head.weight": (24, 16),
}


# Every tensor of a two-layer model of CONFIG's sizes, for tools that know the architecture.
FULL_SHAPES = {
    "model.embed_tokens.weight": (24, 16),
    **{
        f"model.layers.{layer}.{name}": shape
        for layer in range(2)
        for name, shape in {
            "self_attn.q_proj.weight": (16, 16),
            "self_attn.q_proj.bias": (16,),
            "self_attn.k_proj.weight": (8, 16),
            "self_attn.k_proj.bias": (8,),
            "self_attn.v_proj.weight": (8, 16),
            "self_attn.v_proj.bias": (8,),
            "self_attn.o_proj.weight": (16, 16),
            "mlp.gate_proj.weight": (40, 16),
            "mlp.up_proj.weight": (40, 16),
            "mlp.down_proj.weight": (16, 40),
            "input_layernorm.weight": (16,),
            "post_attention_layernorm.weight": (16,),
        }.items()
    },
    "model.norm.weight": (16,),
    "lm_head.weight": (24, 16),
}


def save_model(folder, tensors, shards=1):
    """Write tensors as one safetensors file, or as several with an index."""
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return
    names = list(tensors)
    placed = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[number::shards]}
        save_file(part, folder / file)
        placed.update(dict.fromkeys(part, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))


def load_tensors(folder):
    """Read all tensors of a model folder with the safetensors library."""
    tensors = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(file, "pt") as stream:
            tensors.update({name: stream.get_tensor(name) for name in stream.keys()})  # noqa: SIM118
    return tensors


def copy_project(folder):
    """Copy what the workflow needs into ``folder``, for a test that edits it."""
    folder.mkdir(exist_ok=True)
    for part in PROJECT_PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    return folder


def holds(path, secret):
    """Say whether a file holds a text; in Parquet, also compressed or in the metadata."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return secret in f"{table.to_pylist()} {table.schema.metadata} {table.schema}"
    return secret.encode() in path.read_bytes()
