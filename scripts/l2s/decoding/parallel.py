"""How many devices share a checkpoint's weights."""

from l2s.errors import UserError

# The rest of a device's memory is for the key-value cache and what the engine itself needs.
LARGEST_SHARE = 2 / 3
MOST_DEVICES = 8  # of one machine; tensor parallelism across machines is for those who configure it


def tensor_parallel(checkpoint_bytes: int, heads: int | None, device_bytes: int) -> int:
    """Return the fewest devices on each of which the weights fill at most two thirds of the memory.

    Args:
        checkpoint_bytes: Bytes of all weights in the dtype that they are decoded in, whatever they are stored in.
        heads: Attention heads, which the devices share evenly; None if unknown.
        device_bytes: Memory of one device.

    Returns:
        A power of two (key-value heads, vocabulary and intermediate size divide by those) that divides the heads.

    Raises:
        UserError: No such number up to 8 is enough.
    """
    devices = 1
    while devices <= MOST_DEVICES and (heads is None or heads % devices == 0):
        if checkpoint_bytes / devices <= LARGEST_SHARE * device_bytes:
            return devices
        devices *= 2
    share = f", which its {heads} attention heads can share" if heads else ""
    raise UserError(
        f"a checkpoint of {checkpoint_bytes / 1e9:.1f} GB is too large for up to {MOST_DEVICES} devices of "
        f"{device_bytes / 1e9:g} GB{share}; set 'vllm.device_memory_gb', or a number in 'vllm.tensor_parallel'"
    )
