"""The vLLM engine: token ids over HTTP to one or several servers, which hold every version under its own id."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from adapters.base import Base
from adapters.manifest import refuse_for_vllm
from core.errors import AdapterRefused, ApprenticeError, Busy, ServingUnavailable, UnknownModel
from core.records import BASE
from serving.engine import Delta, Generation, GenerationRequest, check_fits, read_deltas
from serving.vllm_server import Json, NotThere, Reader, ServerDown, VllmServer, as_body, as_forced

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1
SCORED_AT_ONCE = 32
T = TypeVar("T")


class _Server(VllmServer):
    """A server as the engine sees it: `up` where it answers with the right model, `running` requests of ours on it."""

    def __init__(self, url: str):
        super().__init__(url)
        self.up = False
        self.running = 0
        self.complaint = ""
        self.aligning = asyncio.Lock()


class _Generation:
    """One reply's deltas, as a task of its own gets them from a server."""

    def __init__(self, task: "asyncio.Task[None]", deltas: "asyncio.Queue[Delta | Exception]"):
        self._task = task
        self._deltas = deltas

    def __aiter__(self) -> AsyncIterator[Delta]:
        return read_deltas(self._deltas)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


class VllmEngine:
    """Takes `streams` requests for each server, and `queue` more; vLLM batches them.

    `suffix` is added to versions' ids to name them on the servers: an engine with one shares nothing with others, and
    unloads what it loaded when it is closed. Without one, several serving processes share what is loaded.
    """

    def __init__(
        self, base: Base, urls: Sequence[str], streams: int, queue: int, context_tokens: int, suffix: str = ""
    ):
        self._base = base
        self._servers = [_Server(url) for url in urls]
        self._streams, self._queue = streams, queue
        self._context = context_tokens
        self._suffix = suffix
        self._folders: dict[str, Path] = {}
        self._leases: Counter[str] = Counter()
        self._drained: dict[str, asyncio.Event] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._unseen: set[str] = set()

    async def start(self) -> None:
        """Look at every server once, and from now on regularly. One that is away may come later."""
        await self._align_all()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop; what still runs fails."""
        if self._watching:
            self._watching.cancel()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        if self._suffix:
            for version in list(self._folders):
                await self._unload(version)
        for server in self._servers:
            await server.close()

    async def install(self, version: str, folder: Path) -> None:
        """Load a verified version on every server that is up; the others load it before they are up again.

        Raises: AdapterRefused where a server refuses it; Busy where none has it for another reason.
        """
        if version == BASE or version in self._folders:
            return
        refuse_for_vllm(folder)
        loads = (self._load(server, version, folder.resolve()) for server in self._servers if server.up)
        results = await asyncio.gather(*loads, return_exceptions=True)
        if refusals := [error for error in results if isinstance(error, BaseException)]:
            await self._unload(version)
            raise refusals[0]
        if not any(results):
            raise Busy("no vLLM server can load a version now; it is tried again.")
        self._folders[version] = folder.resolve()

    async def retire(self, version: str) -> None:
        """Take no new requests for a version, and unload it everywhere when its last generation has ended."""
        if self._folders.pop(version, None) is None:
            return
        drained = self._drained[version] = asyncio.Event()
        if not self._leases[version]:
            drained.set()
        await drained.wait()
        del self._drained[version]
        await self._unload(version)

    def installed(self) -> frozenset[str]:
        """The versions that take requests."""
        return frozenset({BASE, *self._folders})

    def leases(self) -> dict[str, int]:
        """Generations under way or waiting, by version."""
        return dict(+self._leases)

    def is_confident(self, version: str) -> bool:
        """No: vLLM gives no hidden states, which an outcome head reads."""
        return False

    async def prepare(self, request: GenerationRequest) -> None:
        """Nothing: vLLM compiles the form of a request itself."""

    def generate(self, request: GenerationRequest) -> Generation:
        """The reply, piece by piece; its place is taken at once.

        Raises: UnknownModel, PromptTooLong, Busy.
        """
        self._check(request)
        deltas: asyncio.Queue[Delta | Exception] = asyncio.Queue()
        lease = self._lease(request.version)
        task = asyncio.create_task(self._generate(request, deltas, lease))
        self._running.add(task)

        def ended(task: "asyncio.Task[None]") -> None:
            self._running.discard(task)
            lease()
            if task.cancelled():
                deltas.put_nowait(ServingUnavailable("the server is stopping; please ask again in a moment."))

        task.add_done_callback(ended)
        return _Generation(task, deltas)

    async def score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], version: str) -> list[float]:
        """Mean log-likelihood (nats a token) of replies, by one request for each of their tokens.

        vLLM's own `prompt_logprobs` would be one request, but on its CPU build they end the server where another
        request runs beside them and adapters are enabled.

        Raises: UnknownModel, PromptTooLong, Busy.
        """
        if version not in self.installed():
            raise UnknownModel(f"version {version[:12]} is not installed.")
        places, lease = asyncio.Semaphore(SCORED_AT_ONCE), self._lease(version)

        async def mean(prompt: tuple[int, ...], reply: tuple[int, ...]) -> float:
            told = (self._logprob(prompt + reply[:n], token, version, places) for n, token in enumerate(reply))
            return sum(await asyncio.gather(*told)) / len(reply)

        try:
            return await asyncio.gather(*(mean(prompt, reply) for prompt, reply in pairs))
        finally:
            lease()

    async def _logprob(self, before: tuple[int, ...], token: int, version: str, places: asyncio.Semaphore) -> float:
        """The log-probability (nats) of one token after others."""
        body = as_forced(before, token)
        async with places:
            answer = await self._repeated(version, lambda server: server.complete(body | self._named(server, version)))
        return answer["choices"][0]["logprobs"]["token_logprobs"][0]

    async def _weigh(self, request: GenerationRequest) -> Delta:
        """How likely each reply is that is given to choose from; what several begin with is asked once.

        The prompt is read once, by vLLM's prefix cache.
        """
        places = asyncio.Semaphore(SCORED_AT_ONCE)
        steps = dict.fromkeys((reply[:n], token) for reply in request.choices for n, token in enumerate(reply))
        asked = (self._logprob(request.prompt_ids + before, t, request.version, places) for before, t in steps)
        told = dict(zip(steps, await asyncio.gather(*asked), strict=True))
        likelihoods = tuple(sum(told[reply[:n], token] for n, token in enumerate(reply)) for reply in request.choices)
        best = max(zip(likelihoods, request.choices, strict=True))[1]
        return Delta("", len(best) - 1, "stop", choices=likelihoods)

    # ---- requests ----

    def _check(self, request: GenerationRequest) -> None:
        context = min([self._context, *(server.context for server in self._servers if server.up)])
        check_fits(request, context)
        if request.version not in self.installed():
            raise UnknownModel(f"version {request.version[:12]} is not served here.")
        up = sum(server.up for server in self._servers)
        if not up:
            raise _away()
        if self._leases.total() >= self._streams * up + self._queue:
            raise Busy("everybody is being answered and the queue is full; please try again in a few seconds.")

    def _lease(self, version: str) -> Callable[[], None]:
        """Hold a version; what is returned lets go of it, once."""
        self._leases[version] += 1
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._leases[version] -= 1
                if not self._leases[version] and version in self._drained:
                    self._drained[version].set()

        return release

    async def _generate(
        self, request: GenerationRequest, deltas: "asyncio.Queue[Delta | Exception]", lease: Callable[[], None]
    ) -> None:
        reader = Reader(request)

        async def once(server: _Server) -> None:
            async with aclosing(server.stream(as_body(request) | self._named(server, request.version))) as events:
                async for event in events:
                    if delta := reader.read(event):
                        if delta.finish_reason:
                            lease()
                        deltas.put_nowait(delta)

        try:
            if request.choices:
                delta = await self._weigh(request)
                lease()
                deltas.put_nowait(delta)
                return
            await self._repeated(request.version, once, lambda: reader.begun)
        except Exception as error:
            if not isinstance(error, ApprenticeError):
                log.exception("a request to vLLM failed")
            lease()
            deltas.put_nowait(error)

    async def _repeated(
        self, version: str, once: Callable[[_Server], Awaitable[T]], begun: Callable[[], bool] = lambda: False
    ) -> T:
        """Ask the least loaded server that has a version; another, or again, where it was lost before anything came.

        Raises: Busy where none has it; ServingUnavailable where an answer breaks off.
        """
        for _ in range(len(self._servers) + 1):
            server = await self._choose(version)
            server.running += 1
            try:
                return await once(server)
            except (ServerDown, NotThere) as error:
                log.warning("a request for version %s failed at %s: %s", version[:12], server.url, error)
                server.held.pop(self._name(version), None)
                server.up = isinstance(error, NotThere)
                if begun():
                    raise ServingUnavailable("the answer broke off; please ask again.", "broke_off") from error
                await self._align(server)
            finally:
                server.running -= 1
        raise _away()

    async def _choose(self, version: str) -> _Server:
        for again in (False, True):
            if again:
                await self._align_all()
            having = [s for s in self._servers if s.up and (version == BASE or self._name(version) in s.held)]
            if having:
                return min(having, key=lambda server: server.running)
        raise _away()

    def _named(self, server: _Server, version: str) -> Json:
        return {"model": server.base if version == BASE else self._name(version)}

    def _name(self, version: str) -> str:
        return version + self._suffix

    # ---- servers ----

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._align_all()
            except Exception:
                log.exception("looking at the vLLM servers failed, and is tried again")

    async def _align_all(self) -> None:
        await asyncio.gather(*(self._align(server) for server in self._servers))

    async def _align(self, server: _Server) -> None:
        """See what a server has, and load what it lacks. It takes requests again when that is done."""
        async with server.aligning:
            try:
                await server.look()
            except ServerDown as error:
                server.up = False
                _complain(server, str(error))
                return
            if Path(server.root).name not in (self._base.name, self._base.folder.name):
                server.up = False
                _complain(
                    server, f"it serves {server.root}, and the model here is {self._base.name}; give both the same."
                )
                return
            await self._restore(server)

    async def _restore(self, server: _Server) -> None:
        """Load what a server lacks. One that cannot load a version goes on answering with the others."""
        complaint = ""
        for version, folder in list(self._folders.items()):
            name = self._name(version)
            if name in server.held or version not in self._folders:
                continue
            try:
                await server.load(name, folder)
                log.warning("vLLM at %s had lost version %s, and has it again", server.url, version[:12])
            except (AdapterRefused, NotThere) as error:
                complaint = f"version {version[:12]} cannot be loaded again: {error}"
            except ServerDown as error:
                server.up = False
                _complain(server, str(error))
                return
        server.up = True
        _complain(server, complaint)

    async def _load(self, server: _Server, version: str, folder: Path) -> bool:
        """Load a version on one server. False where that has to wait. Raises: AdapterRefused."""
        async with server.aligning:
            try:
                if server.held.get(self._name(version)) != str(folder):
                    await server.load(self._name(version), folder)
            except ServerDown as error:
                server.up = False
                _complain(server, str(error))
                return False
            except NotThere as error:
                if version not in self._unseen:
                    self._unseen.add(version)
                    log.error(
                        "vLLM at %s does not load %s (%s): it needs this folder at the same path, --enable-lora, "
                        "and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1.",
                        *(server.url, folder, error),
                    )
                return False
        return True

    async def _unload(self, version: str) -> None:
        for server in self._servers:
            async with server.aligning:
                if self._name(version) in server.held:
                    try:
                        await server.unload(self._name(version))
                    except ServerDown as error:
                        log.warning("version %s was not unloaded: %s", version[:12], error)


def _away() -> Busy:
    return Busy("no vLLM server can answer at the moment; please try again in a few seconds.", retry_after_s=5)


def _complain(server: _Server, complaint: str) -> None:
    """Say once what is wrong with a server, and once that it is well again."""
    if complaint and complaint != server.complaint:
        log.error("vLLM at %s: %s", server.url, complaint)
    elif server.complaint and not complaint:
        log.info("vLLM at %s is well again", server.url)
    server.complaint = complaint
