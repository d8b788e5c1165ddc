"""How many responses vLLM should run together: a simulation of its scheduler, which no GPU is needed for.

Requests are admitted in order while the key-value cache has room beyond a share kept free (vLLM's ``watermark``)
and fewer run than ``max_num_seqs``. When the cache is full, the youngest gives up its place, and all that it had is
computed again. A step reads the weights and the cache, at 0.6 of an H100's bandwidth. Lengths are log-normal, 3 of 100
responses loop up to the budget.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import pandas as pd

QUESTIONS, PROMPT, BUDGET = 5_600, 150, 10_240
BANDWIDTH, FLOPS, HOST_SECONDS = 0.6 * 3.35e12, 0.4e15, 0.002
STEP_TOKENS, FEWEST = 16_384, 16
# Bytes of weights, bytes of cache for each token, GPUs of 80 GB.
MODELS = {
    "1.5B": (3.1e9, 28_672, 1),
    "7B": (15.2e9, 57_344, 1),
    "14B": (29.5e9, 196_608, 1),
    "32B": (65.5e9, 262_144, 2),
}
MEAN_LENGTHS = {"merged": 1_500, "slow": 3_000}
# max_num_seqs, watermark, and whether the longest come first, guessed to within a factor of 1.6 or so.
POLICIES = {
    "256, none": (256, 0.0, False),
    "1,024, none": (1024, 0.0, False),
    "1,024, a tenth": (1024, 0.1, False),
    "1,024, a tenth, longest first": (1024, 0.1, True),
}


class Machine(NamedTuple):
    """What a step costs, in seconds, and how many tokens the cache holds."""

    cache: int
    weights: float
    cache_token: float
    token: float

    @classmethod
    def of(cls, weights: float, token_bytes: int, gpus: int) -> "Machine":
        """Return a model's on so many GPUs of 80 GB, of which nine tenths are used and 4 GB go to other things."""
        cache = int((gpus * (0.9 * 80e9 - 4e9) - weights) / token_bytes)
        return cls(cache, weights / (BANDWIDTH * gpus), token_bytes / (BANDWIDTH * gpus), weights / (FLOPS * gpus))


def draw_lengths(mean: float, rng: np.random.Generator) -> np.ndarray:
    """Return the tokens of each response, int [questions]."""
    lengths = rng.lognormal(np.log(mean) - 0.9**2 / 2, 0.9, QUESTIONS)
    lengths[rng.random(QUESTIONS) < 0.03] = BUDGET
    return lengths.clip(FEWEST, BUDGET).astype(int)


def simulate(
    machine: Machine, lengths: np.ndarray, order: np.ndarray, limit: int, watermark: float
) -> tuple[float, int]:
    """Return the seconds until all have ended, and how often one gave up its place."""
    waiting, running, had = deque(order.tolist()), [], [0] * len(lengths)
    seconds, held, given_up = 0.0, 0, 0
    while waiting or running:
        prefilled = 0
        while waiting and len(running) < limit and prefilled < STEP_TOKENS:
            needed = PROMPT + had[waiting[0]]
            if running and held + needed > machine.cache * (1 - watermark):
                break
            running.append(waiting.popleft())
            held, prefilled = held + needed, prefilled + needed
        room = max(1, (machine.cache - held) // len(running))
        steps = max(1, min(FEWEST, room, *(lengths[one] - had[one] for one in running)))
        memory = machine.weights + (held + len(running) * steps / 2) * machine.cache_token
        seconds += prefilled * machine.token + steps * (max(memory, len(running) * machine.token) + HOST_SECONDS)
        for one in running:
            had[one] += steps
        held += steps * len(running)
        held -= sum(PROMPT + had[one] for one in running if had[one] >= lengths[one])
        running = [one for one in running if had[one] < lengths[one]]
        while held + len(running) > machine.cache and len(running) > 1:
            waiting.appendleft(running.pop())
            held, given_up = held - PROMPT - had[waiting[0]], given_up + 1
    return seconds, given_up


def main() -> None:
    """Print minutes, and how often a response gave up its place, as Markdown."""
    rows = []
    for model, sizes in MODELS.items():
        for role, mean in MEAN_LENGTHS.items():
            rng = np.random.default_rng(0)
            lengths = draw_lengths(mean, rng)
            by_guess = np.argsort(-lengths * rng.lognormal(0, 0.5, QUESTIONS))
            row = {"model": f"{model}, {role}"}
            for name, (limit, watermark, longest_first) in POLICIES.items():
                order = by_guess if longest_first else np.arange(QUESTIONS)
                seconds, given_up = simulate(Machine.of(*sizes), lengths, order, limit, watermark)
                row[name] = f"{seconds / 60:.1f} ({given_up:,})"
            rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
