"""The local engine: continuous batching on the model's own transformers modules, in one thread of its own."""

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from adapters.base import Base, load_tokenizer
from adapters.numerics import inference_dtype
from adapters.verify import MAX_RANK
from core.errors import Busy, PromptTooLong, UnknownModel
from core.prompt import Tokenizer
from core.records import BASE
from core.settings import Settings
from serving.batch_cache import BatchCache
from serving.engine import Delta, FinishReason, Generation, GenerationRequest
from serving.sampling import Sampler
from serving.slots import AdapterSlots
from serving.spelling import Speller

log = logging.getLogger(__name__)
PREFILL_TOKENS = 256
"""Prompt tokens that are read between two steps of the running streams."""
MIN_ROOM = 1024
"""Reply tokens that fit beside the largest prompt."""


@dataclass(slots=True, eq=False)
class _Row:
    """One request: waiting, then prefilling, then running. `length` counts its tokens in the cache."""

    request: GenerationRequest
    send: Callable[[Delta | Exception], None]
    sampler: Sampler
    speller: Speller
    length: int = 0
    generated: int = 0
    last: int = 0
    gone: bool = False
    version: str = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.request.version


class _Generation:
    """One row's deltas, as they come from the engine's thread."""

    def __init__(self, row: _Row, deltas: "asyncio.Queue[Delta | Exception]"):
        self._row = row
        self._deltas = deltas

    async def __aiter__(self) -> AsyncIterator[Delta]:
        while True:
            delta = await self._deltas.get()
            if isinstance(delta, Exception):
                raise delta
            yield delta
            if delta.finish_reason:
                return

    async def aclose(self) -> None:
        self._row.gone = True


class LocalEngine:
    """Serves `streams` requests side by side; `queue` more may wait."""

    def __init__(
        self,
        base: Base,
        streams: int,
        queue: int,
        slots: int,
        context_tokens: int,
        device: str,
        dtype: torch.dtype,
        rank: int = MAX_RANK,
    ):
        self._base = base
        self._streams, self._queue = streams, queue
        self._slot_count, self._rank = slots, rank
        self._context = context_tokens
        self._device, self._dtype = device, dtype
        self._condition = threading.Condition()
        self._waiting: deque[_Row] = deque()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._running: list[_Row] = []
        self._filling: _Row | None = None
        self._versions = {BASE}
        self._leases: Counter[str] = Counter()
        self._drained: dict[str, asyncio.Event] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def from_settings(cls, settings: Settings, base: Base, queue: int) -> "LocalEngine":
        """An engine as the settings describe it, on a number type chosen by measurement."""
        device, dtype = inference_dtype(settings.device, settings.data_dir)
        log.info("serving %s in %s on %s", base.name, dtype, device)
        context = settings.prompt_tokens + max(MIN_ROOM, settings.reply_tokens)
        rank = max(settings.lora_rank, MAX_RANK)
        return cls(base, settings.streams, queue, settings.adapter_slots, context, device, dtype, rank)

    async def start(self) -> None:
        """Load the model and begin."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._load)
        self._thread.start()

    async def close(self) -> None:
        """Stop; what still runs fails."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)

    async def install(self, version: str, folder: Path) -> None:
        """Copy a verified version into a free slot, between two steps.

        Raises: AdapterRefused where it does not fit; Busy where every slot is in use.
        """
        if version in self._versions:
            return
        factors = await asyncio.to_thread(self._slots.read, folder)

        def fill() -> None:
            if not self._slots.free:
                raise Busy("every adapter slot is in use; retire a version first.")
            self._slots.fill(version, factors)
            self._versions.add(version)

        await asyncio.wrap_future(self._between_steps(fill))

    async def retire(self, version: str) -> None:
        """Take no new requests for a version, and free its slot when its last generation has ended."""
        with self._condition:
            if version == BASE or version not in self._versions:
                return
            self._versions.discard(version)
            drained = self._drained[version] = asyncio.Event()
            if not self._leases[version]:
                drained.set()
        await drained.wait()
        del self._drained[version]
        await asyncio.wrap_future(self._between_steps(lambda: self._slots.empty(version)))

    def favour(self, version: str) -> None:
        """All versions are equally fast here."""

    def installed(self) -> frozenset[str]:
        """The versions that take requests."""
        with self._condition:
            return frozenset(self._versions)

    def leases(self) -> dict[str, int]:
        """Generations under way or waiting, by version."""
        with self._condition:
            return dict(self._leases)

    def generate(self, request: GenerationRequest) -> Generation:
        """The reply, piece by piece; its place is taken at once.

        Raises: UnknownModel, PromptTooLong, Busy.
        """
        loop = asyncio.get_running_loop()
        deltas: asyncio.Queue[Delta | Exception] = asyncio.Queue()
        row = _Row(
            request,
            lambda delta: loop.call_soon_threadsafe(deltas.put_nowait, delta),
            Sampler(request.sampling, request.prompt_ids),
            Speller(self._tokenizer, request.stop),
        )
        self._enqueue(row)
        return _Generation(row, deltas)

    async def score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], version: str) -> list[float]:
        """Mean log-likelihood (nats a token) of replies, one pass each, between steps.

        Raises: UnknownModel.
        """
        if version not in self.installed():
            raise UnknownModel(f"version {version[:12]} is not installed.")
        futures = [self._between_steps(lambda p=p, r=r: self._log_likelihood(p, r, version)) for p, r in pairs]
        return [await asyncio.wrap_future(future) for future in futures]

    def _enqueue(self, row: _Row) -> None:
        request = row.request
        if len(request.prompt_ids) + request.max_tokens > self._context:
            raise PromptTooLong(
                f"the prompt has {len(request.prompt_ids)} tokens and the reply may have {request.max_tokens}, and "
                f"{self._context} fit together; ask for a shorter reply, or shorten the message."
            )
        with self._condition:
            if row.version not in self._versions:
                raise UnknownModel(f"version {row.version[:12]} is not served here.")
            if len(self._waiting) >= self._queue + self._streams - len(self._running):
                raise Busy("everybody is being answered and the queue is full; please try again in a few seconds.")
            self._leases[row.version] += 1
            self._waiting.append(row)
            self._condition.notify()

    def _load(self) -> None:
        torch.set_grad_enabled(False)
        model = AutoModelForCausalLM.from_pretrained(self._base.folder, dtype=self._dtype, local_files_only=True)
        self._model = model.to(self._device).eval()
        config = model.config.get_text_config()
        self._context = min(self._context, config.max_position_embeddings)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        rows = self._streams + 1
        self._cache = BatchCache(config.num_hidden_layers, rows, heads, self._context, size, self._dtype, self._device)
        self._slots = AdapterSlots(self._model, self._slot_count, self._rank)
        self._tokenizer: Tokenizer = load_tokenizer(self._base)
        self._eos = self._end_tokens()

    def _end_tokens(self) -> frozenset[int]:
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return frozenset({self._tokenizer.eos_token_id, *(e for e in ends if e is not None)})

    def _between_steps(self, job: Callable[[], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._condition:
            self._jobs.append((job, future))
            self._condition.notify()
        return future

    # ---- the engine's own thread ----

    def _work(self) -> None:
        torch.set_grad_enabled(False)
        while True:
            with self._condition:
                while not (self._jobs or self._waiting or self._running or self._filling or self._closing):
                    self._condition.wait()
                if self._closing:
                    break
                jobs, self._jobs = self._jobs, deque()
            for job, future in jobs:
                _settle(job, future)
            self._guarded(self._prefill)
            self._guarded(self._decode)
        for row in [*self._running, *self._waiting, *([self._filling] if self._filling else [])]:
            row.send(UnknownModel("the server is stopping; please ask again in a moment."))

    def _guarded(self, step: Callable[[], None]) -> None:
        """A step whose failure ends the rows it was for, and nothing else."""
        try:
            step()
        except Exception as error:
            log.exception("a step of the engine failed")
            rows = [self._filling] if step == self._prefill and self._filling else list(self._running)
            for row in rows:
                row.send(error)
                self._leave(row)

    def _prefill(self) -> None:
        """Read the next piece of the joining request's prompt; at its end it runs with the others."""
        if self._filling is None and not self._admit():
            return
        row = self._filling
        assert row is not None
        if row.gone:
            self._leave(row)
            return
        ids = row.request.prompt_ids[row.length : row.length + PREFILL_TOKENS]
        positions = torch.arange(row.length, row.length + len(ids), device=self._device)[None]
        logits = self._forward(torch.tensor([ids]), len(self._running), positions, [row])
        row.length += len(ids)
        if row.length == len(row.request.prompt_ids):
            self._filling = None
            self._running.append(row)
            self._accept([row], logits)

    def _admit(self) -> bool:
        with self._condition:
            while self._waiting and len(self._running) < self._streams:
                self._filling = self._waiting.popleft()
                return True
        return False

    def _decode(self) -> None:
        """One token for every running row."""
        for row in [row for row in self._running if row.gone]:
            self._leave(row)
        rows = list(self._running)
        if not rows:
            return
        ids = torch.tensor([[row.last] for row in rows])
        positions = torch.tensor([[row.length] for row in rows], device=self._device)
        logits = self._forward(ids, 0, positions, rows)
        for row in rows:
            row.length += 1
        self._accept(rows, logits)

    def _forward(self, ids: torch.Tensor, first: int, positions: torch.Tensor, rows: list[_Row]) -> torch.Tensor:
        """Logits [batch, vocabulary] of the last position."""
        self._slots.rows.set([self._slots.slot(row.version) for row in rows], self._dtype, self._device)
        mask = self._cache.plan(first, positions)
        return self._model(
            input_ids=ids.to(self._device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _accept(self, rows: list[_Row], logits: torch.Tensor) -> None:
        """Choose each row's next token, send what can be read of it, and let the finished ones leave."""
        greedy = logits.argmax(-1).tolist()
        for row, best, scores in zip(rows, greedy, logits, strict=True):
            try:
                delta = self._next(row, best, scores)
            except Exception as error:
                log.exception("a request failed")
                self._leave(row)
                row.send(error)
                continue
            if delta.finish_reason:
                self._leave(row)
            if delta.text or delta.finish_reason:
                row.send(delta)

    def _next(self, row: _Row, best: int, scores: torch.Tensor) -> Delta:
        """Choose a row's next token; what can be read of it, and whether it is the last."""
        row.last = best if row.sampler.plain else row.sampler.choose(scores)
        row.generated += 1
        ended: FinishReason | None = None
        text = ""
        if row.last in self._eos and not row.request.ignore_eos:
            ended = "stop"
        else:
            text = row.speller.add(row.last)
            if row.speller.stopped:
                ended = "stop"
            elif row.generated >= row.request.max_tokens:
                ended = "length"
        if ended:
            text += row.speller.rest()
        return Delta(text, row.speller.take_count() if text or ended else 0, ended)

    def _leave(self, row: _Row) -> None:
        """Take a row out; the last rows move up, so that running rows stay dense, and the filling one behind them."""
        row.gone = True
        if row is self._filling:
            self._filling = None
        else:
            hole, last = self._running.index(row), len(self._running) - 1
            moved = self._running.pop()
            if hole != last:
                self._cache.move(last, hole, moved.length)
                self._running[hole] = moved
            if self._filling is not None:
                self._cache.move(last + 1, last, self._filling.length)
        with self._condition:
            self._leases[row.version] -= 1
            if not self._leases[row.version]:
                del self._leases[row.version]
                drained = self._drained.get(row.version)
                if drained is not None and self._loop is not None:
                    self._loop.call_soon_threadsafe(drained.set)

    def _log_likelihood(self, prompt: tuple[int, ...], reply: tuple[int, ...], version: str) -> float:
        self._slots.rows.set([self._slots.slot(version)], self._dtype, self._device)
        ids = torch.tensor([prompt + reply], device=self._device)
        logits = self._model(input_ids=ids, use_cache=False, logits_to_keep=len(reply) + 1).logits[0, :-1]
        chosen = logits.float().log_softmax(-1).gather(1, ids[0, -len(reply) :, None])
        return float(chosen.mean())


def _settle(job: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
