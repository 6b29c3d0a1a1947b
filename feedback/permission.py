"""Who may have programs run that a model wrote: the owner, everybody, or nobody."""

import logging

from core.errors import StoreUnavailable
from core.identity import PLAYGROUND, Pseudonyms
from core.settings import RunCode
from feedback.people import People

log = logging.getLogger(__name__)


class Permission:
    """What the setting `run_code` means for each author.

    The owner is whoever opened the link for the bot's owner, and whoever sits at the playground: it listens on this
    machine alone, or asks for an account. Requests that name no author are nobody's.
    """

    def __init__(self, people: People, pseudonyms: Pseudonyms, run_code: RunCode):
        self._people, self._run_code = people, run_code
        self._at_playground = pseudonyms.author(PLAYGROUND)

    def may_run(self, author: str | None) -> bool:
        """Whether programs are run for an author; for nobody while that cannot be looked up."""
        if self._run_code != "owner":
            return self._run_code == "everyone"
        try:
            return author is not None and author in (self._at_playground, self._people.owner())
        except StoreUnavailable as error:
            log.warning("whose bot it is cannot be looked up, and nothing is run: %s", error)
            return False
