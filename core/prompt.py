"""From messages and passages to token ids: the only place that makes prompts, for serving and for training.

Layout (renderer 1): system text, past turns without their passages, then passages and question, with what the kind of
task writes below it. What stays the same from turn to turn comes first, so that a chat's prefix can be reused.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from core.errors import InvalidInput, PromptTooLong
from core.records import Message, Passage

LATEST = 1


class Tokenizer(Protocol):
    """What we use of a transformers tokenizer."""

    eos_token_id: int

    def apply_chat_template(self, conversation: list[dict[str, str]], **kwargs: Any) -> Any: ...
    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(self, token_ids: Sequence[int], **kwargs: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids ready for generation; `hash` names them, `dropped` counts messages left out to fit the budget."""

    ids: tuple[int, ...]
    hash: str
    dropped: int
    passages: int


def _layout_1(messages: Sequence[Message], passages: Sequence[Passage]) -> list[dict[str, str]]:
    chat = [{"role": m.role, "content": m.content} for m in messages]
    if passages:
        sources = "\n".join(f"[{n}] {p.text}" for n, p in enumerate(passages, 1))
        chat[-1]["content"] = f"Use these sources to answer.\n{sources}\n\nQuestion: {chat[-1]['content']}"
    return chat


LAYOUTS: dict[int, Callable[[Sequence[Message], Sequence[Passage]], list[dict[str, str]]]] = {1: _layout_1}


class Renderer:
    """Makes prompts of at most `budget` tokens for one tokenizer, in one layout."""

    def __init__(self, tokenizer: Tokenizer, tokenizer_hash: str, budget: int, version: int = LATEST):
        self.tokenizer = tokenizer
        self.budget = budget
        self._tokenizer_hash = tokenizer_hash
        self._version = version
        self._layout = LAYOUTS[version]

    @property
    def identity(self) -> str:
        """(renderer version, tokenizer hash, token budget) as one word."""
        return f"r{self._version}-{self._tokenizer_hash[:16]}-{self.budget}"

    def at(self, identity: str) -> "Renderer":
        """The renderer of another identity for the same tokenizer: an adapter is served with the one it was tuned on.

        Raises: InvalidInput where that identity belongs to another tokenizer or a layout this release lacks.
        """
        version, _, rest = identity.removeprefix("r").partition("-")
        tokenizer_hash, _, budget = rest.rpartition("-")
        if tokenizer_hash != self._tokenizer_hash[:16] or not version.isdigit() or int(version) not in LAYOUTS:
            raise InvalidInput(f"prompt identity {identity} does not fit this model ({self.identity})")
        return Renderer(self.tokenizer, self._tokenizer_hash, int(budget), int(version))

    def render(self, messages: Sequence[Message], passages: Sequence[Passage] = (), ending: str = "") -> Prompt:
        """Token ids of a conversation that ends in a user's message, below which an ending is written.

        Over budget, passages beyond the first two go first, then whole oldest turns until half the budget is free
        of them (so that the next turns keep the same prefix), then the remaining passages.

        Raises: PromptTooLong where the question alone does not fit; InvalidInput without a question.
        """
        if not messages or messages[-1].role != "user" or not messages[-1].content.strip():
            raise InvalidInput("the conversation must end with a user's message that is not empty.")
        kept, used = [*messages[:-1], _with_ending(messages[-1], ending)], list(passages)
        ids = self._ids(kept, used)
        while len(ids) > self.budget and len(used) > 2:
            used.pop()
            ids = self._ids(kept, used)
        if len(ids) > self.budget:
            kept = self._newest_turns(kept, used, self.budget // 2)
            ids = self._ids(kept, used)
        while len(ids) > self.budget and used:
            used.pop()
            ids = self._ids(kept, used)
        if len(ids) > self.budget:
            raise PromptTooLong(
                f"the message is too long: {len(ids)} tokens, {self.budget} fit. Send it in parts, or as a document.",
                tokens=len(ids),
                fit=self.budget,
            )
        digest = hashlib.sha256(b"".join(i.to_bytes(4, "little") for i in ids)).hexdigest()
        return Prompt(tuple(ids), digest, len(messages) - len(kept), len(used))

    def reply_ids(self, text: str) -> list[int]:
        """Token ids of a reply, closed by the end token."""
        return [*self.tokenizer.encode(text, add_special_tokens=False), self.tokenizer.eos_token_id]

    def _ids(self, messages: Sequence[Message], passages: Sequence[Passage]) -> list[int]:
        chat = self._layout(messages, passages)
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _newest_turns(self, messages: list[Message], passages: Sequence[Passage], target: int) -> list[Message]:
        """The system text and as many whole newest turns as fit, the last message in any case."""
        start = 1 if messages[0].role == "system" else 0
        tails = [n for n in range(start + 1, len(messages)) if messages[n].role == "user"] or [len(messages) - 1]

        def fits(tail: int) -> bool:
            return len(self._ids([*messages[:start], *messages[tail:]], passages)) <= target

        tail = tails[min(bisect_left(tails, True, key=fits), len(tails) - 1)]
        return [*messages[:start], *messages[tail:]]


def _with_ending(message: Message, ending: str) -> Message:
    return replace(message, content=f"{message.content}\n\n{ending}") if ending else message
