"""The local engine: continuous batching in one thread of its own."""

import asyncio
import logging
import math
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from adapters.base import Base, load_tokenizer
from adapters.numerics import inference_dtype
from adapters.verify import MAX_RANK
from core.errors import Busy, UnknownModel
from core.prompt import Tokenizer
from core.records import BASE
from core.settings import Settings
from serving.confidence import OutcomeHead, read_head
from serving.engine import Delta, FinishReason, Generation, GenerationRequest, TokenLogprob, check_fits, read_deltas
from serving.fused import FusedRunner, has_fast_path
from serving.grammar import Constraint, Grammar
from serving.lookup import Lookup
from serving.prefixes import Prefixes
from serving.runner import SHORT, PlainRunner, Runner, Span
from serving.sampling import Sampler, alternatives
from serving.slots import AdapterSlots, Factors
from serving.spelling import Speller

log = logging.getLogger(__name__)
PREFILL_TOKENS = 256
"""Prompt tokens that are read in one step, beside a token of every running stream."""
MAX_DRAFT, DRAFT_TOKENS = 4, 8
"""Tokens guessed for a stream in a step, and all that streams with their guesses may have: a few more cost little."""
MIN_ROOM = 1024
"""Reply tokens that fit beside the largest prompt."""


@dataclass(slots=True, eq=False)
class _Row:
    """One request: waiting, then reading its prompt in row `place` of the cache, then running.

    `ids` are its tokens, of which the first `length` are in the cache; `draft` is what is guessed to follow. Where
    there are replies to choose from, `first` are the log-probabilities [vocabulary] of their first token. Where its
    version has an outcome head, `log_probs` are those of the reply's tokens so far.
    """

    request: GenerationRequest
    send: Callable[[Delta | Exception], None]
    sampler: Sampler
    speller: Speller
    constraint: Constraint | None = None
    place: int = -1
    length: int = 0
    gone: bool = False
    draft: Sequence[int] = ()
    lookup: Lookup = field(default_factory=Lookup)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    first: torch.Tensor | None = None
    likelihoods: list[float] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    version: str = field(init=False)
    ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.version = self.request.version
        self.ids = list(self.request.prompt_ids)

    @property
    def generated(self) -> int:
        """Tokens of the reply so far."""
        return len(self.ids) - len(self.request.prompt_ids)

    def prompt_span(self, limit: int) -> Span:
        """The next tokens of its prompt, up to `limit`."""
        ids = self.ids[self.length : self.length + limit]
        return Span(self.place, self.length, ids, self.version, int(self.length + len(ids) == len(self.ids)))

    def choice_span(self) -> Span:
        """The next of the replies to choose from, in place of the one before it; the first token follows the prompt."""
        ids = self.request.choices[len(self.likelihoods)][:-1]
        return Span(self.place, self.length, ids, self.version, len(ids))

    def next_span(self, guesses: int) -> Span:
        """Its last token, and up to `guesses` that may follow: where the likeliest token is always the choice."""
        left = self.request.max_tokens - self.generated - 1
        sure = self.sampler.plain and self.constraint is None
        self.draft = self.lookup.draft(self.ids, min(guesses, left)) if sure else ()
        return Span(self.place, self.length, [self.ids[-1], *self.draft], self.version, 1 + len(self.draft))


class _Generation:
    """One row's deltas, as they come from the engine's thread."""

    def __init__(self, row: _Row, deltas: "asyncio.Queue[Delta | Exception]"):
        self._row = row
        self._deltas = deltas

    def __aiter__(self) -> AsyncIterator[Delta]:
        return read_deltas(self._deltas)

    async def aclose(self) -> None:
        self._row.gone = True


class LocalEngine:
    """Serves `streams` requests side by side; `queue` more may wait.

    With `eight_bit`, products with few tokens read eight-bit weights, where that is measured to be faster.
    """

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
        eight_bit: bool = False,
    ):
        self._base = base
        self._streams, self._queue = streams, queue
        self._slot_count, self._rank = slots, rank
        self._context = context_tokens
        self._device, self._dtype, self._eight_bit = device, dtype, eight_bit
        self._condition = threading.Condition()
        self._waiting: deque[_Row] = deque()
        self._jobs: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._rows: list[_Row] = []
        self._free = list(range(streams))
        self._prefixes = Prefixes()
        self._reader = ThreadPoolExecutor(1)  # each thread that reads large files keeps the memory they took
        self._versions = {BASE}
        self._heads: dict[str, OutcomeHead] = {}
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
        return cls(base, settings.streams, queue, settings.adapter_slots, context, device, dtype, rank, True)

    async def start(self) -> None:
        """Load the model and begin."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        await asyncio.wrap_future(self._between_steps(self._load))

    async def close(self) -> None:
        """Stop; what still runs fails."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        await asyncio.to_thread(self._thread.join)
        self._reader.shutdown()

    async def install(self, version: str, folder: Path) -> None:
        """Copy a verified version into a free slot, between two steps.

        Raises: AdapterRefused where it does not fit; Busy where every slot is in use.
        """
        if version in self._versions:
            return

        def read() -> tuple[Factors, OutcomeHead | None]:
            return self._slots.read(folder), read_head(folder, self._hidden_size, self._device)

        factors, head = await asyncio.get_running_loop().run_in_executor(self._reader, read)

        def fill() -> None:
            self._slots.fill(version, factors)
            if head is not None:
                self._heads[version] = head
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

        def clear() -> None:
            self._slots.empty(version)
            self._heads.pop(version, None)
            self._prefixes.forget(version)

        await asyncio.wrap_future(self._between_steps(clear))

    def installed(self) -> frozenset[str]:
        """The versions that take requests."""
        with self._condition:
            return frozenset(self._versions)

    def leases(self) -> dict[str, int]:
        """Generations under way or waiting, by version."""
        with self._condition:
            return dict(self._leases)

    def is_confident(self, version: str) -> bool:
        """Whether a version has an outcome head."""
        return version in self._heads

    async def prepare(self, request: GenerationRequest) -> None:
        """Compile the form of a request beside the event loop, which its generation then finds.

        Raises: InvalidInput for a schema that cannot be used.
        """
        if request.schema is not None:
            await asyncio.to_thread(self._grammar.prepare, request.schema)

    def generate(self, request: GenerationRequest) -> Generation:
        """The reply, piece by piece; its place is taken at once.

        Raises: UnknownModel, PromptTooLong, InvalidInput for a schema that cannot be used, Busy.
        """
        loop = asyncio.get_running_loop()
        deltas: asyncio.Queue[Delta | Exception] = asyncio.Queue()
        row = _Row(
            request,
            lambda delta: loop.call_soon_threadsafe(deltas.put_nowait, delta),
            Sampler(request.sampling, request.prompt_ids),
            Speller(self._tokenizer, request.stop),
            None if request.schema is None else self._grammar.constraint(request.schema),
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
        check_fits(request, self._context)
        with self._condition:
            if row.version not in self._versions:
                raise UnknownModel(f"version {row.version[:12]} is not served here.")
            if len(self._waiting) >= self._queue + len(self._free):
                raise Busy("everybody is being answered and the queue is full; please try again in a few seconds.")
            self._leases[row.version] += 1
            self._waiting.append(row)
            self._condition.notify()

    def _load(self) -> None:
        """In the engine's own thread, so that no other thread has helpers that compete with those of the steps."""
        model = AutoModelForCausalLM.from_pretrained(self._base.folder, dtype=self._dtype, local_files_only=True)
        model = model.to(self._device).eval()
        config = model.config.get_text_config()
        self._context = min(self._context, config.max_position_embeddings)
        self._hidden_size = config.hidden_size
        self._slots = AdapterSlots(self._slot_count, self._rank, self._base.folder)
        self._tokenizer: Tokenizer = load_tokenizer(self._base)
        self._grammar = Grammar(self._tokenizer)
        self._eos = self._end_tokens(model.generation_config.eos_token_id)
        self._runner = self._make_runner(model)

    def _make_runner(self, model: PreTrainedModel) -> Runner:
        rows = self._streams + 1  # the last one is for scoring
        if not has_fast_path(model.config):
            log.warning("%s has no fast path here; it is served by its own modules", model.config.model_type)
            return PlainRunner(model, rows, self._context, self._slots)
        return FusedRunner(model, rows, self._context, self._slots, self._eight_bit)

    def _end_tokens(self, ends: int | list[int] | None) -> frozenset[int]:
        ends = ends if isinstance(ends, list) else [ends]
        return frozenset({self._tokenizer.eos_token_id, *(e for e in ends if e is not None)})

    def _between_steps(self, job: Callable[[], Any]) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._condition:
            self._jobs.append((job, future))
            self._condition.notify()
        return future

    # ---- the engine's own thread ----

    @torch.inference_mode()
    def _work(self) -> None:
        while True:
            with self._condition:
                while not (self._jobs or self._waiting or self._rows or self._closing):
                    self._condition.wait()
                if self._closing:
                    break
                jobs, self._jobs = self._jobs, deque()
            for job, future in jobs:
                _settle(job, future)
            self._step()
        for row in [*self._rows, *self._waiting]:
            row.send(UnknownModel("the server is stopping; please ask again in a moment."))

    def _step(self) -> None:
        """One token for every running row, and the next piece of the prompts that are being read."""
        for row in [row for row in self._rows if row.gone]:
            self._leave(row)
        self._admit()
        rows, spans = self._plan()
        if not rows:
            return
        try:
            logits, hidden = self._runner.forward(spans)
        except Exception as error:
            log.exception("a step of the engine failed")
            for row in rows:
                row.send(error)
                self._leave(row)
            return
        best, at = self._runner.largest(logits), 0
        headed = any(row.version in self._heads for row in rows)
        normalisers = self._runner.normalisers(logits) if headed else [math.nan] * len(logits)
        for row, span in zip(rows, spans, strict=True):
            row.length += len(span.ids) - len(row.draft) if row.first is None else 0
            end = at + span.wanted
            if row.request.choices:
                self._weigh(row, logits[at:end])
            else:
                self._accept(row, best[at:end], normalisers[at:end], logits[at:end], hidden[at:end])
            at = end

    def _admit(self) -> None:
        """Give waiting rows a place; what is known of their prompts need not be read again."""
        with self._condition:
            joining = [self._waiting.popleft() for _ in range(min(len(self._free), len(self._waiting)))]
            for row in joining:
                row.place = self._free.pop(self._free.index(min(self._free)))
        for row in joining:
            row.length, columns = self._prefixes.find(row.version, row.ids[:-1])
            if columns is not None:
                self._runner.cache.write(row.place, 0, columns)
        self._rows += joining

    def _plan(self) -> tuple[list[_Row], list[Span]]:
        """The rows of the next pass and what each reads in it, short spans first."""
        budget, planned = PREFILL_TOKENS, []
        guesses = min(DRAFT_TOKENS // len(self._rows) - 1, MAX_DRAFT) if self._rows else 0
        for row in self._rows:
            if row.first is not None:
                planned.append((row, row.choice_span()))
            elif row.generated:
                planned.append((row, row.next_span(max(guesses, 0))))
            elif budget:
                span = row.prompt_span(budget)
                budget -= len(span.ids)
                planned.append((row, span))
        planned.sort(key=lambda each: len(each[1].ids) > SHORT)
        return [row for row, _ in planned], [span for _, span in planned]

    def _accept(
        self, row: _Row, best: list[int], normalisers: list[float], logits: torch.Tensor, hidden: torch.Tensor
    ) -> None:
        """Choose a row's next token, and those after it for as long as they were guessed; send what can be read.

        `best`, `normalisers`, `logits` [1 + guesses, vocabulary] and `hidden` [1 + guesses, hidden size] follow its
        last token and each guess; none follow a prompt that is not read to its end.
        """
        guesses = [*row.draft, None] if best else []
        row.draft = ()
        head = self._heads.get(row.version)
        passed = zip(guesses, best, normalisers, logits, hidden, strict=True)
        for guess, likeliest, normaliser, scores, state in passed:
            try:
                delta = self._next(row, likeliest, scores)
            except Exception as error:
                log.exception("a request failed")
                self._leave(row)
                row.send(error)
                return
            if head is not None:
                row.log_probs.append(float(scores[row.ids[-1]]) - normaliser)
            if delta.finish_reason:
                if head is not None:
                    delta = replace(delta, confidence=head.confidence(state, row.log_probs))
                self._leave(row)
            if delta.text or delta.finish_reason:
                row.send(delta)
            if delta.finish_reason or row.ids[-1] != guess:
                return
            row.length += 1

    def _weigh(self, row: _Row, logits: torch.Tensor) -> None:
        """Note how likely a reply is that was read, one in a step; `logits` [tokens, vocabulary] follow its tokens.

        Before there are any, they follow the prompt, once that is read to its end.
        """
        found = logits.float().log_softmax(-1)
        if row.first is None:
            row.first = found[0] if len(found) else None
            return
        choice = torch.tensor(row.request.choices[len(row.likelihoods)], device=found.device)
        row.likelihoods.append(float(row.first[choice[0]] + found.gather(1, choice[1:, None]).sum()))
        if len(row.likelihoods) == len(row.request.choices):
            best = max(zip(row.likelihoods, row.request.choices, strict=True))[1]
            self._leave(row)
            row.send(Delta("", len(best) - 1, "stop", choices=tuple(row.likelihoods)))

    def _next(self, row: _Row, likeliest: int, scores: torch.Tensor) -> Delta:
        """Choose a row's next token; what can be read of it, and whether it is the last."""
        if row.constraint is not None:
            token = row.sampler.choose(row.constraint.allowed(scores))
            row.constraint.accept(token)
        else:
            token = likeliest if row.sampler.plain else row.sampler.choose(scores)
        row.ids.append(token)
        ended: FinishReason | None = None
        text = ""
        if token in self._eos and not row.request.ignore_eos:
            ended = "stop"
        else:
            text = row.speller.add(token)
            if row.request.sampling.logprobs is not None:
                row.logprobs.append(self._explained(scores, token, row.request.sampling.logprobs))
            if row.speller.stopped:
                ended = "stop"
            elif row.generated >= row.request.max_tokens:
                ended = "length"
        if ended:
            text += row.speller.rest()
        if not (text or ended):
            return Delta("", 0)
        explained, row.logprobs = tuple(row.logprobs), []
        return Delta(text, row.speller.take_count(), ended, explained)

    def _explained(self, scores: torch.Tensor, token: int, count: int) -> TokenLogprob:
        logprob, top = alternatives(scores, token, count)
        spelled = self._tokenizer.decode
        return TokenLogprob(spelled([token]), logprob, tuple((spelled([other]), value) for other, value in top))

    def _leave(self, row: _Row) -> None:
        """Take a row out, and keep what it read for the conversation's next turn."""
        row.gone = True
        self._rows.remove(row)
        if row.version in self._versions:
            self._prefixes.keep(row.version, row.ids[: row.length], self._runner.cache.read(row.place, 0, row.length))
        with self._condition:
            self._free.append(row.place)
            self._leases[row.version] -= 1
            if not self._leases[row.version]:
                del self._leases[row.version]
                drained = self._drained.get(row.version)
                if drained is not None and self._loop is not None:
                    self._loop.call_soon_threadsafe(drained.set)

    def _log_likelihood(self, prompt: tuple[int, ...], reply: tuple[int, ...], version: str) -> float:
        """The reply is read in short spans, so that it is scored by the numerics that generate."""
        ids, at, scores = prompt + reply, 0, []
        while at < len(ids) - 1:
            in_prompt = at < len(prompt) - 1
            end = min(at + PREFILL_TOKENS, len(prompt) - 1) if in_prompt else min(at + SHORT, len(ids) - 1)
            span = Span(self._streams, at, ids[at:end], version, 0 if in_prompt else end - at)
            logits = self._runner.forward([span]).logits
            if not in_prompt:
                said = torch.tensor(ids[at + 1 : end + 1], device=self._device)
                scores.append(logits.float().log_softmax(-1).gather(1, said[:, None]))
            at = end
        return float(torch.cat(scores).mean())


def _settle(job: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
