"""The options of the engine vllm."""

from typing import Annotated, Literal

from pydantic import Field

from l2s.config import StrictModel

Devices = Annotated[int, Field(gt=0, le=1024)]


class VllmOptions(StrictModel):
    """How vLLM uses its devices."""

    tensor_parallel: Devices | Literal["auto"] = Field(
        "auto",
        description="devices that share a model's weights; auto: the fewest that hold them in the dtype (on a CPU 1)",
    )
    pipeline_parallel: Devices = Field(
        1, description="stages of layers, each on so many devices, that a response passes through one after the other"
    )
    device_memory_gb: float = Field(
        80.0, gt=0, le=10_000, description="memory of a device in 10^9 bytes, which 'auto' goes by"
    )
    memory_utilization: float | None = Field(
        None,
        gt=0,
        le=1,
        description="share of a device's memory for weights and cache (0.9 if absent); on a CPU, share of the "
        "machine's for the cache (0.1 if absent)",
    )
    max_num_seqs: int | None = Field(
        None, gt=0, le=100_000, description="responses decoded together, at most (1,024 if absent; on a CPU 256)"
    )
    enforce_eager: bool = Field(False, description="neither compile the model nor record CUDA graphs")
    batch_invariant: bool = Field(
        False,
        description="give the same tokens whatever runs together, so that a resumed run equals an uninterrupted one; "
        "slower, and needs a GPU of compute capability 8.0 or newer",
    )
