"""Randomness that is addressed, not drawn.

Whether an element is dropped depends on (seed, ordinal of the model in the recipe, tensor name, element index) only:
the same for any chunk size, thread count, device or order. The generator is Philox 4x64 (Salmon et al. 2011), whose
counter is the element's index over 16: one counter step yields four 64-bit words, that is sixteen 16-bit draws.
"""

import hashlib

import numpy as np

DRAWS_PER_STEP = 16
DRAW_VALUES = 1 << 16


def keep_mask(seed: int, ordinal: int, tensor: str, offset: int, count: int, drop_rate: float) -> np.ndarray:
    """Return which elements are kept.

    Args:
        seed: The recipe's seed.
        ordinal: Position of the model in the recipe, from 0.
        tensor: The tensor's name.
        offset: Index of the first element in the flattened tensor.
        count: Number of elements.
        drop_rate: Probability of being dropped, in [0, 1); rounded to a multiple of 2**-16.

    Returns:
        bool [count], False with probability ``drop_rate``.
    """
    return draws(seed, ordinal, tensor, offset, count) >= dropped_values(drop_rate)


def draws(seed: int, ordinal: int, tensor: str, offset: int, count: int) -> np.ndarray:
    """Return one draw an element, uint16 [count], all its values equally likely; the arguments are ``keep_mask``'s."""
    name = f"{seed}/{ordinal}/{tensor}".encode()
    key = np.frombuffer(hashlib.sha256(name).digest()[:16], dtype="<u8")
    first_step, skipped = divmod(offset, DRAWS_PER_STEP)
    steps = -(-(skipped + count) // DRAWS_PER_STEP)
    # Philox increments its counter before the first draw; that shift is the same for every address.
    generator = np.random.Philox(key=key, counter=first_step)
    words = generator.random_raw(steps * 4).astype("<u8", copy=False)
    return words.view("<u2")[skipped : skipped + count]


def dropped_values(drop_rate: float) -> int:
    """Return how many of the 65,536 values of a draw mean that the element is dropped."""
    return round(drop_rate * DRAW_VALUES)
