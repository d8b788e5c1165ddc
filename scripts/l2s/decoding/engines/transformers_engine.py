"""The transformers engine: batched decoding with a key-value cache, on the CPU or a CUDA device.

Prompts of a batch are padded on the left; a sequence that has ended leaves the batch. Sampling draws its numbers by
address (seed, request, step), so that a response does not depend on what else is in the batch beyond rounding.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.utils.logging import disable_progress_bar

from l2s.checkpoints.whole_model import load_whole
from l2s.decoding.engines.interface import Completion, Heard, Request
from l2s.decoding.settings import DecodingEntry, Sampling
from l2s.decoding.stopping import Stops, Watch
from l2s.errors import UserError


def start(folder: Path, settings: DecodingEntry, stops: Stops) -> "TransformersEngine":
    """Start the engine; what every engine module offers."""
    return TransformersEngine(folder, settings, stops)


class TransformersEngine:
    """A model loaded by transformers.

    Args:
        folder: The checkpoint's files.
        settings: Decode settings; device, dtype, threads and sampling are read.
        stops: What ends a response.

    Raises:
        UserError: The device is not there, or the model does not load, or not all of it.
    """

    def __init__(self, folder: Path, settings: DecodingEntry, stops: Stops) -> None:
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device 'cuda' is configured but there is no CUDA device; set 'device: cpu' or use a GPU")
        torch.set_num_threads(settings.cpu_threads)
        disable_progress_bar()
        self.sampling = settings.sampling
        self.dtype = settings.dtype
        self.device = torch.device(settings.device)
        self.take(folder, stops)

    def take(self, folder: Path, stops: Stops) -> None:
        """Load a checkpoint, in place of the one before."""
        self.model = None
        self.model = load_whole(folder, self.dtype).to(self.device).eval()
        self.stops = stops

    def facts(self) -> dict[str, Any]:
        """Return versions and device, for the sidecar."""
        cuda = self.device.type == "cuda"
        return {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "cuda": torch.version.cuda if cuda else None,
            "attention": self.model.config._attn_implementation,
        }

    def decode(self, batches: list[list[Request]], heard: Heard) -> Iterator[list[Completion]]:
        """Decode one batch after the other, in the order given."""
        for batch in batches:
            yield self._decode_batch(batch, heard)

    @torch.inference_mode()
    def _decode_batch(self, batch: list[Request], heard: Heard) -> list[Completion]:
        ids, mask = self._pad_left(batch)
        positions = (mask.cumsum(1) - 1).clamp_(min=0)
        cache = transformers.DynamicCache(config=self.model.config)
        choose = _Chooser(self.sampling, batch)
        outputs: list[list[int]] = [[] for _ in batch]
        watches = [Watch(self.stops) for _ in batch]
        active = list(range(len(batch)))
        while active:
            logits = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            chosen = choose(logits, active, [len(outputs[row]) for row in active])
            for row, token in zip(active, chosen.tolist(), strict=True):
                outputs[row].append(token)
                watches[row].sees(token)
            staying = [
                place
                for place, row in enumerate(active)
                if not watches[row].ended and len(outputs[row]) < batch[row].budget
            ]
            heard(len(active), len(active) - len(staying))
            if len(staying) < len(active):
                kept = torch.tensor(staying, device=self.device, dtype=torch.long)
                cache.batch_select_indices(kept)
                chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
                active = [active[place] for place in staying]
            ids = chosen[:, None]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
            positions = positions[:, -1:] + 1
        return [
            Completion(request.key, tuple(output), "stop" if watch.ended else request.cut_reason)
            for request, output, watch in zip(batch, outputs, watches, strict=True)
        ]

    def _pad_left(self, batch: list[Request]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return token ids and mask, int64 [batch, longest prompt]."""
        longest = max(len(request.prompt_ids) for request in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, request in enumerate(batch):
            ids[row, longest - len(request.prompt_ids) :] = torch.tensor(request.prompt_ids)
            mask[row, longest - len(request.prompt_ids) :] = 1
        return ids.to(self.device), mask.to(self.device)


class _Chooser:
    """Chooses the next token of each row: the likeliest, or one drawn with the row's own random stream."""

    def __init__(self, sampling: Sampling, batch: list[Request]) -> None:
        self.sampling = sampling
        self.streams = [] if sampling.temperature == 0 else [_uniforms(sampling.seed, request) for request in batch]

    def __call__(self, logits: torch.Tensor, rows: list[int], steps: list[int]) -> torch.Tensor:
        """Return the chosen token ids, int64 [rows], from logits [rows, vocabulary]."""
        if self.sampling.temperature == 0:
            return logits.argmax(dim=-1)
        draws = [self.streams[row][step] for row, step in zip(rows, steps, strict=True)]
        return sample(logits.float(), torch.tensor(draws, device=logits.device), self.sampling)


def _uniforms(seed: int, request: Request) -> np.ndarray:
    """Return a request's random stream: float32 [budget], uniform in [0, 1)."""
    key = np.frombuffer(request.stream(seed), dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key)).random(request.budget, dtype=np.float32)


def sample(logits: torch.Tensor, draws: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Draw a token of each row by inverting the cumulative distribution over tokens sorted by probability.

    Args:
        logits: float32 [rows, vocabulary].
        draws: float32 [rows], uniform in [0, 1).
        sampling: Temperature, top_k and top_p; a token stays if fewer than top_k are likelier and those hold less
            than top_p.

    Returns:
        Token ids, int64 [rows].
    """
    ranked, tokens = (logits / sampling.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    before = ranked.cumsum(dim=-1) - ranked
    if sampling.top_k:
        ranked[:, sampling.top_k :] = 0
    ranked[before >= sampling.top_p] = 0
    cumulative = ranked.cumsum(dim=-1)
    target = draws[:, None] * cumulative[:, -1:]
    rank = (cumulative <= target).sum(dim=-1, keepdim=True).clamp_(max=logits.shape[-1] - 1)
    return tokens.gather(1, rank)[:, 0]
