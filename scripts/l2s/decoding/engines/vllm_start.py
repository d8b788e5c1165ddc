"""What vLLM is started with: its environment, its arguments, the devices that it needs, the name of its model.

vLLM keeps the graphs that it compiles, by a digest of what they follow from; in vLLM 0.32 the model's path is part of
that (``ModelConfig.compute_hash``, field ``model``). With a path for each checkpoint every checkpoint would be compiled
anew, for up to a minute. So vLLM is given the same relative path each time, and finds the checkpoint there by its
working directory: checkpoints of one architecture, one dtype and one window share their graphs, which hold no weights.
"""

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from l2s.decoding.settings import DecodingEntry
from l2s.errors import UserError
from l2s.files import own_folder

# Shares of memory where the settings say none.
GPU_MEMORY, CPU_CACHE = 0.9, 0.1
# Where stop strings are looked for, tokens are handed over so many at a time: each hand-over costs more than looking at
# its tokens. A response is cut where it ended all the same; up to so many tokens behind its end are generated in vain.
STREAM_INTERVAL = 16
# Responses that run together at most, and tokens of prompts and responses that one step may compute on a GPU.
MOST_TOGETHER = {"cuda": 1024, "cpu": 256}
STEP_TOKENS = 16_384
# Share of the key-value cache that is left to grow into when further responses begin. More responses than the cache
# comes to hold are worse than fewer: vLLM throws out what some of them have, and computes it again.
GROWTH = 0.1
INVARIANT_CAPABILITY = (8, 0)  # of GPUs on which vLLM 0.32 has kernels that do not depend on the batch
CACHE = Path(f"/tmp/l2s-vllm-{os.getuid()}")
"""Of compiled code. On the machine itself: ~/.cache, where vLLM would keep it, is often a network's and slow."""
MODEL = "model"
"""What vLLM takes for the path of each checkpoint."""


@contextmanager
def under_one_name(folder: Path, place: Path) -> Iterator[None]:
    """Let ``MODEL`` name a checkpoint's folder, in place of the one before, in this process and those that it starts.

    Args:
        folder: The checkpoint's files.
        place: A folder of the engine's own, the working directory; processes that were started go on working there.
    """
    (place / MODEL).unlink(missing_ok=True)
    (place / MODEL).symlink_to(folder.resolve())
    with chdir(place):
        yield


def set_environment(settings: DecodingEntry) -> None:
    """Set what vLLM reads from the environment; before it is imported."""
    os.environ.update(
        VLLM_ENABLE_V1_MULTIPROCESSING="0",  # the core in this process, see above
        VLLM_WORKER_MULTIPROC_METHOD="spawn",
        VLLM_NO_USAGE_STATS="1",
        VLLM_BATCH_INVARIANT=str(int(settings.vllm.batch_invariant)),
    )
    for name, part in (("VLLM_CACHE_ROOT", "vllm"), ("TRITON_CACHE_DIR", "triton")):
        if not os.environ.get(name):
            os.environ[name] = str(own_folder(CACHE) / part)
    if settings.device == "cpu":
        # Else vLLM binds its threads to the first cores, those of every other job included.
        os.environ.update(VLLM_CPU_OMP_THREADS_BIND="nobind", OMP_NUM_THREADS=str(settings.cpu_threads))


def check_devices(settings: DecodingEntry) -> None:
    """Check that vLLM is built for the device and that there are as many as the settings say.

    Raises:
        UserError: It is not, or there are not.
    """
    import torch
    from vllm.platforms import current_platform

    if current_platform.device_type != settings.device:
        raise UserError(
            f"device '{settings.device}' is configured, but the vLLM installed here runs on "
            f"'{current_platform.device_type or 'nothing that is here'}'; use the other build of vLLM or another device"
        )
    if settings.device == "cuda" and torch.cuda.device_count() < settings.gpus:
        raise UserError(
            f"'vllm.tensor_parallel' times 'vllm.pipeline_parallel' is {settings.gpus}, but "
            f"{torch.cuda.device_count()} CUDA devices are visible; give the job more devices or set smaller numbers"
        )
    if settings.vllm.batch_invariant:
        check_invariant(current_platform.get_device_name(), current_platform.get_device_capability())


def check_invariant(name: str, capability: tuple[int, int]) -> None:
    """Check that a GPU can decode independently of the batch.

    Raises:
        UserError: It cannot.
    """
    if tuple(capability) < INVARIANT_CAPABILITY:
        has, needs = (".".join(map(str, version)) for version in (capability, INVARIANT_CAPABILITY))
        raise UserError(
            f"'vllm.batch_invariant' needs a GPU of compute capability {needs} or newer, and {name} has {has}; use "
            "another GPU or leave the key out"
        )


def check_heads(size: int) -> None:
    """Check that vLLM's build for CPUs can decode with attention heads of a size; it says itself only while it decodes.

    Raises:
        UserError: It cannot.
    """
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    sizes = CPUAttentionBackend.get_supported_head_sizes()
    if size not in sizes:
        raise UserError(
            f"the model's attention heads have size {size}, and vLLM decodes on a CPU with "
            f"{', '.join(map(str, sizes))} only; use the engine transformers or a GPU"
        )


def engine_arguments(settings: DecodingEntry) -> dict[str, Any]:
    """Return the arguments of vLLM's engine, for a model ``under_one_name``."""
    options, on_cpu = settings.vllm, settings.device == "cpu"
    if on_cpu:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = {"kv_cache_memory_bytes": int((options.memory_utilization or CPU_CACHE) * machine)}
    else:
        memory = {"gpu_memory_utilization": options.memory_utilization or GPU_MEMORY}
        memory["max_num_batched_tokens"] = STEP_TOKENS
    devices = options.pipeline_parallel * (1 if on_cpu else options.tensor_parallel)
    return {
        "model": MODEL,
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "generation_config": "vllm",  # not the model's: sampling is what the settings say
        "dtype": settings.dtype,
        "max_model_len": settings.context_length,
        "tensor_parallel_size": devices // options.pipeline_parallel,
        "pipeline_parallel_size": options.pipeline_parallel,
        # On a CPU the number of threads can only be set in a worker process.
        "distributed_executor_backend": "mp" if on_cpu or devices > 1 else "uni",
        "max_num_seqs": options.max_num_seqs or MOST_TOGETHER[settings.device],
        "watermark": GROWTH,
        "stream_interval": STREAM_INTERVAL,
        "enforce_eager": options.enforce_eager,
        "enable_prefix_caching": True,
        # Sampling the part of a prompt takes back a draw, which generators of the CPU cannot do.
        "enable_chunked_prefill": not on_cpu,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        **memory,
    }
