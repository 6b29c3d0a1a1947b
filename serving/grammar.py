"""Replies of a given form: which tokens may come next, so that the reply fits a JSON schema."""

import threading
from collections import OrderedDict

import llguidance
import llguidance.hf
import numpy as np
import torch

from core.errors import InvalidInput
from core.prompt import Tokenizer

COMPACT = {"whitespace_flexible": False}
"""A small model that may write blanks between two tokens of JSON may write nothing else."""
KEPT = 64
"""Schemas that are kept compiled: a large one takes seconds, and requests come with the same again."""


class Grammar:
    """Makes constraints for one tokenizer. May be used from several threads."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._reading, self._keeping = threading.Lock(), threading.Lock()
        self._known: llguidance.LLTokenizer | None = None
        self._compiled: OrderedDict[str, llguidance.LLMatcher] = OrderedDict()

    def prepare(self, schema: str) -> None:
        """Compile a schema, so that a constraint to it is there at once. Takes seconds where it is large.

        Raises: InvalidInput where it is no schema, or uses what is not supported.
        """
        self._matcher(schema)

    def constraint(self, schema: str) -> "Constraint":
        """What keeps one reply to a JSON schema, given as JSON.

        Raises: as `prepare` does.
        """
        return Constraint(self._matcher(schema).deep_copy())

    def _matcher(self, schema: str) -> llguidance.LLMatcher:
        """A schema's matcher, at its beginning."""
        with self._keeping:
            found = self._compiled.get(schema)
            if found is not None:
                self._compiled.move_to_end(schema)
                return found
        found = self._compile(schema)
        with self._keeping:
            self._compiled[schema] = found
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        return found

    def _compile(self, schema: str) -> llguidance.LLMatcher:
        known = self._vocabulary()
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=COMPACT)
            problem = llguidance.LLMatcher.validate_grammar(grammar, known)
        except ValueError as error:
            problem = str(error)
        if problem and not problem.startswith("WARNING"):
            raise InvalidInput(f"the JSON schema of `response_format` cannot be used: {problem.splitlines()[0]}")
        return llguidance.LLMatcher(known, grammar)

    def _vocabulary(self) -> llguidance.LLTokenizer:
        with self._reading:  # it takes a second, and is done once it is needed
            if self._known is None:
                self._known = llguidance.hf.from_tokenizer(self._tokenizer)
            return self._known


class Constraint:
    """One reply's progress through its grammar."""

    def __init__(self, matcher: llguidance.LLMatcher):
        self._matcher = matcher

    def allowed(self, logits: torch.Tensor) -> torch.Tensor:
        """A copy of logits [vocabulary] in which only tokens that may come next are left."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        fits = np.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool)
        ruled_out = ~torch.from_numpy(np.pad(fits, (0, len(logits) - len(fits))))
        return logits.float().cpu().masked_fill(ruled_out, float("-inf"))

    def accept(self, token: int) -> None:
        """Note the token that was chosen."""
        self._matcher.consume_token(token)
