"""Engines for tests: the model is read once in a run, not once for every file of tests."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from transformers import PreTrainedModel

from adapters.base import Base
from serving.engine import Delta, GenerationRequest
from serving.local import LocalEngine
from serving.prefixes import Prefixes
from serving.products import Product
from serving.runner import Runner

LONG = "\n\n".join(
    f"Paragraph {n} 🚢." + "".join(f" It says {k} more things about ships." for k in range(12)) for n in range(30)
)
SCRIPTS = {
    "short": (["It is ", "scripted."], 0.0),
    "steady": ([f"word{n} " for n in range(60)], 0.05),
    "endless": ([f"word{n} " for n in range(2000)], 0.05),
    "long": ([LONG[n : n + 500] for n in range(0, len(LONG), 500)], 0.0),
    "markdown": (["Use **co", "de**:\n\n```python\n", "x = 1\n```"], 0.6),
    "failing": (["```python\nraise ValueError('as in script:failing')\n```"], 0.0),
    "waiting": (["Begun. ", ""], 0.7),
    "silent": (["", "late"], 100.0),
    "empty": ([""], 0.0),
    "circles": (["Well. ", *["I am here ", "to help you. "] * 30], 0.0),
    "broken": (["This goes ", None], 0.1),
}
LOADED = ("_context", "_hidden_size", "_slots", "_tokenizer", "_grammar", "_eos", "_runner")


class WarmEngine(LocalEngine):
    """An engine that takes over what the last one of its size had loaded.

    In float32, and whatever the number of tokens in a pass with eight-bit weights: a text does not depend on what else
    is said beside it, so that texts can be compared, and is there several times sooner than without.
    """

    left: ClassVar[dict[tuple[object, ...], dict[str, Any]]] = {}
    """What the engine that was closed last had loaded, by its size: one, as each takes about a gigabyte."""
    products: ClassVar[dict[Path, list[Product]]] = {}
    """The weights of a model, packed, by its folder."""

    def __init__(
        self, base: Base, streams: int = 8, queue: int = 8, slots: int = 4, context: int = 2048, rank: int = 16
    ):
        super().__init__(base, streams, queue, slots, context, "cpu", torch.float32, rank, eight_bit=True)
        self._size = (base.folder, streams, slots, context, rank)

    def _load(self) -> None:
        left = WarmEngine.left.pop(self._size, None)
        if left is None:
            super()._load()
        else:
            vars(self).update(left)

    def _make_runner(self, model: PreTrainedModel) -> Runner:
        known, made = iter(WarmEngine.products.get(self._base.folder, ())), []

        def product(*weights: Any) -> Product:
            made.append(next(known, None) or Product(*weights))
            return made[-1]

        def settle(products: Sequence[Product], *how: Any) -> None:
            for each in products:
                each.settle()

        with patch("serving.fused.Product", product), patch("serving.fused.choose_eight_bit_tokens", settle):
            runner = super()._make_runner(model)
        WarmEngine.products[self._base.folder] = made
        return runner

    async def close(self) -> None:
        await super().close()
        loaded = {name: vars(self).pop(name) for name in LOADED}
        loaded["_slots"]._held.clear()
        self._prefixes = Prefixes()
        WarmEngine.left = {self._size: loaded}


class Scripted(WarmEngine):
    """The engine of serving; a question with `script:short` in it is answered by a script."""

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """What the script says, piece by piece; `again` is said first where the answer is a warmer one."""
        question = self._tokenizer.decode(list(request.prompt_ids)).rsplit("<|im_start|>user\n", 1)[-1]
        named = re.search(r"script:(\w+)", question)
        if named is None:
            async for delta in super().generate(request):
                yield delta
            return
        pieces, pause_s = SCRIPTS[named[1]]
        for piece in ["Again: ", *pieces] if request.sampling.temperature else pieces:
            if piece is None:
                raise RuntimeError("this script breaks off")
            yield Delta(piece, 1)
            await asyncio.sleep(pause_s)
