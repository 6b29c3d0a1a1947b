"""Prompts of recorded turns: as they were, and as they are rendered now, without personal data."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from core.errors import PromptTooLong
from core.privacy import scrub
from core.prompt import Prompt, Renderer
from core.records import APPROVED_PASSAGE, BASE, Message, Passage, Turn
from feedback.turns import messages, question
from kinds import KINDS
from kinds.kind import Task


def asked(turn: Turn) -> Task:
    """What a turn was asked for, without personal data."""
    return replace(Task.of(turn), instruction=scrub(question(turn)), shown=None)


def recorded_prompt(turn: Turn, conversation: Sequence[Turn], renderer: Renderer) -> Prompt:
    """The prompt that the record tells of.

    Raises: PromptTooLong.
    """
    chat = _with_system(_chat(turn, conversation), turn.system)
    return KINDS[turn.kind].render(renderer, chat, turn.passages, Task.of(turn))


def present_prompt(
    turn: Turn, conversation: Sequence[Turn], task: Task, renderer: Renderer, system: str, counts: Counter[str]
) -> Prompt | None:
    """The prompt as it would be rendered now, scrubbed, without what memory said; None where it cannot be used.

    One of the same identity must be what was recorded; `counts` what is not, and what is too long.
    """
    try:
        if turn.prompt_identity == renderer.identity:
            if recorded_prompt(turn, conversation, renderer).hash != turn.prompt_hash:
                counts["not reproducible"] += 1
                return None
        elif turn.adapter == BASE or turn.prompt_identity:
            counts["re-rendered"] += 1
        chat = [Message(m.role, scrub(m.content)) for m in _with_system(_chat(turn, conversation), system)]
        return KINDS[turn.kind].render(renderer, chat, documents(turn), task)
    except PromptTooLong:
        counts["too long"] += 1
        return None


def documents(turn: Turn) -> tuple[Passage, ...]:
    """The passages of documents that a turn was answered with."""
    return tuple(p for p in turn.passages if not p.id.startswith(APPROVED_PASSAGE))


def _chat(turn: Turn, conversation: Sequence[Turn]) -> list[Message]:
    return [*messages(conversation), *turn.messages]


def _with_system(chat: list[Message], system: str) -> list[Message]:
    return chat if chat[0].role == "system" or not system else [Message("system", system), *chat]
