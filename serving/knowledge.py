"""What an answer may rest on: approved answers first, then passages of documents; and what is shown of a draft."""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from core.errors import StoreUnavailable
from core.privacy import scrub
from core.records import ApprovedAnswer, Citation, Message, Origin, Passage
from core.sentences import is_small_talk, sentences, stands_alone
from feedback.reviews import Reviews
from kinds import KINDS, of_one_memory
from kinds.kind import Kind
from retrieval.contradictions import Contradiction
from retrieval.disputes import Dispute, find_dispute
from retrieval.embedder import Embedder
from retrieval.grounding import NOTICE, Grounding
from retrieval.memory import Memory, VectorCache
from retrieval.search import Retriever
from serving.labels import KnownLabels
from serving.languages import Languages

log = logging.getLogger(__name__)
CHAT = KINDS["chat"]
UNCHECKED = f"{NOTICE} My own answer, unchecked:\n\n"
COMPARED_S = 0.5
"""So long approved answers are compared with documents when somebody asks; the rest waits for the next time."""
MAX_UNSUPPORTED = 3
"""A draft that says so many sentences in a row that no passage supports is not waited for any longer."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a question found. `question` is it with what it leans on; `approved` is said word for word, and `declined`
    is, where the model does not understand it."""

    question: str = ""
    passages: tuple[Passage, ...] = ()
    approved: str | None = None
    declined: str = ""
    notice: str = ""

    def limited_to(self, count: int) -> "Found":
        """With the first passages only: those that fit the prompt."""
        return replace(self, passages=self.passages[:count])


class Knowledge:
    """Documents and approved answers, both as new as they are; and which languages are understood."""

    def __init__(
        self,
        retriever: Retriever,
        embedder: Embedder,
        reviews: Reviews,
        vectors: VectorCache,
        languages: Languages,
    ):
        self.embedder = embedder
        self._languages = languages
        self._retriever = retriever
        self._reviews = reviews
        self._memory = Memory(embedder, vectors)
        self._labels = KnownLabels()
        self._position = "0-0"
        self._lock = threading.Lock()
        self._comparing = threading.Lock()
        self._compared: dict[tuple[str, int], Dispute | None] = {}
        self._compared_with: tuple[int, int] | None = None

    async def find(
        self,
        messages: Sequence[Message],
        chat: str | None,
        learned: Collection[str] = frozenset(),
        kind: Kind = CHAT,
    ) -> Found:
        """What the last message of a conversation may be answered from, by a version that has learned these turns.

        What was approved for a similar question is a source until it, or the like, is learned. Then it is for the
        version to say if it holds here too, except where there are documents: there every answer rests on sources.
        A kind that rests on none is answered by what was approved for the same question, or by the model alone.
        """
        return await asyncio.to_thread(self._find, messages, chat, learned, kind)

    async def labels(self, kind: Kind, messages: Sequence[Message], chat: str | None) -> tuple[str, ...]:
        """The labels that were approved as answers of a kind, under the system text of a conversation."""

        def look() -> tuple[str, ...]:
            self._catch_up()
            return self._labels.of(kind.name, chat, _system(messages))

        return await asyncio.to_thread(look)

    async def find_again(
        self, messages: Sequence[Message], chat: str | None, passages: tuple[Passage, ...], kind: Kind
    ) -> Found:
        """What the last message of a conversation was answered from before: these passages, and no approved words."""

        def again() -> Found:
            asked = [m.content for m in messages if m.role == "user"]
            if not kind.grounded or is_small_talk(asked[-1]):
                return Found(asked[-1])
            notice = UNCHECKED if not passages and self._retriever.has_documents(chat) else ""
            return Found(_searched(asked), passages, notice=notice)

        return await asyncio.to_thread(again)

    async def look(self, question: str, chat: str | None, learned: Collection[str]) -> tuple[Found, list[Passage]]:
        """What a question by itself finds, as `find`, and which passages were the best search results, relevant or not.

        The latter are empty where nothing is searched.
        """

        def look() -> tuple[Found, list[Passage]]:
            found = self._find([Message("user", question)], chat, learned, CHAT)
            searched = found.approved is None and not found.declined and not is_small_talk(question)
            return found, self._retriever.search(question, chat) if searched else []

        return await asyncio.to_thread(look)

    async def contradictions(self) -> tuple[Contradiction, ...]:
        """Which approved answers to nearly the same question differ."""

        def look() -> tuple[Contradiction, ...]:
            self._catch_up()
            return self._memory.contradictions()

        return await asyncio.to_thread(look)

    async def disputes(self) -> tuple[dict[str, Dispute], int]:
        """Which approved answers (turns) the documents for everyone dispute, and how many are not compared yet.

        Each call compares some more, the newest first, and no two at once; what was found is kept as long as neither
        the answer nor the index is another.
        """
        return await asyncio.to_thread(self._compare_some)

    async def nearest(self, question: str, count: int, among: Collection[str]) -> list[tuple[ApprovedAnswer, float]]:
        """Of these turns, the answers approved for everyone whose questions are nearest, with their similarity."""

        def look() -> list[tuple[ApprovedAnswer, float]]:
            self._catch_up()
            return self._memory.nearest(scrub(question), count, among)

        return await asyncio.to_thread(look)

    def _compare_some(self) -> tuple[dict[str, Dispute], int]:
        self._catch_up()
        with self._comparing:
            generation = self._retriever.generation
            if generation != self._compared_with:
                self._compared, self._compared_with = {}, generation
            answers = {(answer.turn, answer.created_at): answer for answer in self._memory.in_force()}
            self._compared = {key: found for key, found in self._compared.items() if key in answers}
            left = [key for key in answers if key not in self._compared]
            until = time.monotonic() + COMPARED_S
            while left:
                key = left.pop(0)
                self._compared[key] = self._dispute(answers[key])
                if time.monotonic() >= until:
                    break
            found = {turn: dispute for (turn, _), dispute in self._compared.items() if dispute}
            return found, len(left)

    def _dispute(self, answer: ApprovedAnswer) -> Dispute | None:
        passages = self._retriever.relevant(self._retriever.search(answer.question, None))
        return find_dispute(answer.question, answer.answer, passages, self.embedder)

    def _find(self, messages: Sequence[Message], chat: str | None, learned: Collection[str], kind: Kind) -> Found:
        asked = [m.content for m in messages if m.role == "user"]
        question, alone = asked[-1], _stands_alone(asked)
        if kind.grounded and is_small_talk(question):
            return Found(question)
        self._catch_up()
        same = of_one_memory(kind)
        match = self._memory.match(scrub(question), chat, _system(messages), learned, same) if alone else None
        if match is not None and match.exact:
            return Found(question, (match.passage(),), match.entry.answer)
        if declined := self._languages.decline(question):
            return Found(question, declined=declined)
        if not kind.grounded:
            return Found(question)
        searched = _searched(asked)
        passages = self._retriever.relevant(self._retriever.search(searched, chat))
        has_documents = self._retriever.has_documents(chat)
        if match is not None and (has_documents or not match.learned):
            passages = [match.passage(), *passages]
        notice = UNCHECKED if not passages and has_documents else ""
        return Found(searched, tuple(passages), notice=notice)

    def _catch_up(self) -> None:
        """Remember every approval made until now; without the database, what is known goes on being said."""
        with self._lock:
            try:
                position, answers, revoked = self._reviews.answers_since(self._position)
                for turn in revoked:
                    self._memory.forget(turn)
                    self._labels.forget(turn)
                self._labels.add(answers)
                self._memory.add([a for a in answers if not a.follows or stands_alone(a.question)])
                self._position = position
            except StoreUnavailable as error:
                log.warning("reading approvals: %s", error)


class Writer:
    """Turns the model's draft into what is shown, as it arrives: all of it, or what the passages support."""

    def __init__(self, embedder: Embedder, found: Found):
        self._embedder = embedder
        self._found = found
        self._grounding: Grounding | None = None
        self._rest = ""
        self._separator = ""
        self._unsupported = 0

    @property
    def stopped(self) -> bool:
        """Whether the rest of the draft is of no use."""
        return self._unsupported >= MAX_UNSUPPORTED

    @property
    def origin(self) -> Origin:
        """Whose words are shown."""
        return self._grounding.origin if self._grounding else "model"

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the marks in the text lead to."""
        return self._grounding.citations if self._grounding else ()

    async def write(self, text: str) -> list[str]:
        """The next pieces to show."""
        if not self._found.passages:
            return [text]
        if self._grounding is None:
            self._grounding = await asyncio.to_thread(
                Grounding, self._found.question, self._found.passages, self._embedder
            )
        *lines, last = (self._rest + text).split("\n")
        shown = [piece for line in lines for piece in self._line(line)]
        begun = sentences(last)
        self._rest = last[last.rfind(begun[-1]) :] if len(begun) > 1 else last
        return shown + self._checked(begun[:-1])

    async def finish(self) -> list[str]:
        """The last pieces: the end of the draft, then quotes."""
        shown = await self.write("\n")
        if self._grounding is None:
            return []
        quotes = self._grounding.quotes()
        return [*shown, f"\n\n{quotes}" if self._grounding.origin == "model" else quotes]

    def _line(self, line: str) -> list[str]:
        shown = self._checked(sentences(line))
        self._separator = "\n" if self._separator else ""
        return shown

    def _checked(self, found: Sequence[str]) -> list[str]:
        pieces = []
        for sentence in found:
            marked = None if self.stopped or self._grounding is None else self._grounding.add(sentence)
            self._unsupported = 0 if marked else self._unsupported + 1
            if marked:
                pieces.append(self._separator + marked)
                self._separator = " "
        return pieces


def _system(messages: Sequence[Message]) -> str:
    return next((m.content for m in messages if m.role == "system"), "")


def _stands_alone(asked: Sequence[str]) -> bool:
    """Whether the last of a person's messages is understood without those before it."""
    return len(asked) == 1 or stands_alone(asked[-1])


def _searched(asked: Sequence[str]) -> str:
    """What is searched for: the last message, with the one before where it leans on that."""
    return asked[-1] if _stands_alone(asked) else f"{asked[-2]}\n{asked[-1]}"
