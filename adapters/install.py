"""An adapter made elsewhere becomes a version: copied, checked, sealed, published, unjudged."""

import shutil
from pathlib import Path

from adapters.base import Base
from adapters.manifest import CONFIG, HEAD, MANIFEST, WEIGHTS, refuse_for_vllm, seal
from adapters.registry import Registry
from adapters.verify import verify
from core.errors import AdapterRefused, DiskFull
from core.records import Manifest, new_id


def install(
    registry: Registry, folder: Path, base: Base, prompt_identity: str, max_rank: int, engine: str = "local"
) -> Manifest:
    """Keep a copy of a version's or a plain PEFT folder under its hash. The folder given is left as it was.

    `max_rank` is the largest rank that serving has room for, `engine` what it computes with.

    Raises: AdapterRefused with the reason; DiskFull.
    """
    draft = registry.draft(f"install-{new_id()}")
    try:
        for name in (CONFIG, WEIGHTS, HEAD, MANIFEST):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, draft / name)
        manifest = verify(draft, base.name, base.hash, base.shapes(), prompt_identity)
        if manifest.rank > max_rank:
            raise AdapterRefused(f"this adapter has rank {manifest.rank}; up to {max_rank} is served here.")
        if engine == "vllm":
            refuse_for_vllm(draft)
        seal(draft, manifest)
        registry.publish(draft, manifest)
    except AdapterRefused:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise DiskFull(f"the adapter could not be copied to {registry.folder}: {error.strerror}.") from error
    return manifest
