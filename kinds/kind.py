"""What a kind of task declares; serving and training execute it."""

from abc import ABC, abstractmethod


class Kind(ABC):
    """One kind of task."""

    name: str
    measure: str

    @abstractmethod
    def score(self, reply: str, reference: str) -> float:
        """How well a reply matches its reference, in [0, 1]."""
