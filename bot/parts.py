"""What the handlers are given: the record, the client of serving, and who is speaking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiogram.enums import ChatType
from aiogram.types import Chat, User

from adapters.registry import Registry
from bot.senses import Senses
from bot.tongue import speaking
from core.client import ServingClient
from core.identity import Pseudonyms
from core.library import LibraryClient
from core.records import Turn
from core.settings import Settings
from core.store import Store
from feedback.alerts import Alerts
from feedback.amends import Amends
from feedback.budgets import Budgets
from feedback.drafts import Drafts
from feedback.errands import Errands
from feedback.forget import Forgetting
from feedback.handovers import Handovers
from feedback.leases import Leases
from feedback.observations import Observations
from feedback.people import People, Person
from feedback.portability import Portability
from feedback.ratings import Ratings
from feedback.reviews import Reviews
from feedback.thanks import Thanks
from feedback.turns import Turns
from feedback.walks import Walks


@dataclass(frozen=True, slots=True)
class Contact:
    """Who speaks, and where. `chat` and `author` are what the record calls `chat_id` and `user_id`."""

    chat_id: int
    user_id: int
    private: bool
    chat: str
    author: str
    person: Person
    topic_id: int | None = None

    @property
    def topic(self) -> str | None:
        """What the record calls the topic, which has a history of its own."""
        return None if self.topic_id is None else str(self.topic_id)

    def has_asked(self, turn: Turn) -> bool:
        """Whether a turn was asked for by this person; in a private chat there is nobody else."""
        return self.private or turn.author == self.author


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that lives as long as the bot."""

    settings: Settings
    serving: ServingClient
    store: Store
    turns: Turns
    ratings: Ratings
    people: People
    pseudonyms: Pseudonyms
    forgetting: Forgetting
    library: LibraryClient
    reviews: Reviews
    registry: Registry
    drafts: Drafts
    thanks: Thanks
    portability: Portability
    handovers: Handovers
    errands: Errands
    amends: Amends
    senses: Senses
    budgets: Budgets
    walks: Walks
    alerts: Alerts
    leases: Leases
    observations: Observations

    async def contact(self, chat: Chat, user: User, topic: int | None = None) -> Contact:
        """Who speaks. Whom only the settings let in is a member, as long as they do, and where they do.

        Raises: StoreUnavailable.
        """
        author = self.pseudonyms.author(outside(user.id))
        person = await asyncio.to_thread(self.people.person, author)
        let_in = user.id in self.settings.allowed_people or chat.id in self.settings.open_groups
        if let_in and person.role is None:
            person = replace(person, role="member")
        private = chat.type == ChatType.PRIVATE
        return Contact(chat.id, user.id, private, self.pseudonyms.chat(outside(chat.id)), author, person, topic)


@asynccontextmanager
async def speaking_to(parts: Parts, author: str) -> AsyncIterator[None]:
    """Within it everything is said in the language of somebody who may not be the one who is heard."""
    person = await asyncio.to_thread(parts.people.person, author)
    with speaking(person.language):
        yield


def outside(telegram_id: int | str) -> str:
    """A chat or person of Telegram, as other parts of Apprentice name them."""
    return f"telegram:{telegram_id}"


def telegram_id(outside_id: str) -> int:
    """The chat or person that an outside id names."""
    return int(outside_id.removeprefix("telegram:"))
