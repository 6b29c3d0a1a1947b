"""What the search learned of reading questions: an adapter of the installation's embedder, carried by the index.

The documents' vectors stay the embedder's own; questions are embedded by a copy of it with the adapter merged in. An
adapter is two factors for each linear layer, `<layer>.lora_A` [rank, in] and `<layer>.lora_B` [out, rank], in one file
of safetensors whose metadata holds `scale`: a layer's weights become W + scale * B A.
"""

import json
import struct
import threading
from pathlib import Path
from typing import Any

from core.errors import AliasMoved
from retrieval.embedder import Embedder
from retrieval.generations import Generation, learned_id, load, publish, writing

A, B = ".lora_A", ".lora_B"


class Tuned:
    """Finds what reads questions for a generation of the index. May be called from several threads."""

    def __init__(self, base: Embedder):
        self._base = base
        self._lock = threading.Lock()
        self._newest: Embedder | None = None

    def for_questions(self, generation: Generation | None) -> Embedder:
        """The installation's embedder, or what a generation's search learned merged into a copy of it, made once."""
        if generation is None or generation.adapter is None:
            return self._base
        with self._lock:
            if self._newest is None or self._newest.id != generation.learned:
                self._newest = merged(self._base, generation.adapter)
            return self._newest


def merged(base: Embedder, adapter: bytes) -> Embedder:
    """A copy of an embedder that has learned."""
    import torch
    from safetensors.torch import load as factors_of

    factors, scale = factors_of(adapter), _scale(adapter)
    tuned = base.copied(learned_id(adapter))
    with torch.no_grad():
        for layer in (name.removesuffix(A) for name in factors if name.endswith(A)):
            tuned.model.get_submodule(layer).weight += scale * factors[layer + B] @ factors[layer + A]
    return tuned


def packed(factors: dict[str, Any], scale: float) -> bytes:
    """An adapter as it is stored."""
    from safetensors.torch import save

    return save(factors, {"scale": repr(scale)})


def adopt(data_dir: Path, adapter: bytes | None, instead_of: str | None, embedder: str | None = None) -> None:
    """Publish the index as it is now with another adapter, or without one; uploads wait for it, searches do not.

    Raises: AliasMoved where the search no longer reads questions as `instead_of` did, or the index is no longer the
    embedder's with this id, where one is given; DiskFull and IndexDamaged, and the index stays as it was.
    """
    with writing(data_dir):
        now = load(data_dir)
        if now is None or now.learned != instead_of or embedder not in (None, now.embedder):
            raise AliasMoved("the search has changed meanwhile; look again and repeat if it is still wanted.")
        publish(data_dir, now.embedder, now.sources, now.chunks, now.rows(), adapter)


def _scale(adapter: bytes) -> float:
    (length,) = struct.unpack("<Q", adapter[:8])
    return float(json.loads(adapter[8 : 8 + length])["__metadata__"]["scale"])
