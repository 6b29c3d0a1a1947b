"""What a refresh trains on and how: settings in, a snapshot and a tuned draft out."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from adapters.base import Base
from adapters.manifest import describe
from adapters.numerics import training_dtype
from core.errors import StoreUnavailable
from core.prompt import Renderer
from core.records import BASE, Manifest
from core.settings import TRAINING_FOLDER
from feedback.curves import add_point, drop_curve
from retrieval.embedder import Embedder
from retrieval.generations import public_chunks
from training.checkpoints import Checkpoints
from training.domain import divide
from training.examples import Example, as_examples, general_slice
from training.hyperparameters import Hyperparameters
from training.journal import Also, Journal
from training.material import Material, Means, Trained
from training.outlook import learned_until
from training.packing import Row
from training.several import train_on_all
from training.snapshot import Recipe, Snapshot, build
from workers.context import Context

log = logging.getLogger(__name__)
WATCHED_SHARE = 20
"""One example in this many is watched instead of learned, where there are enough."""
ENOUGH_TO_WATCH, MOST_WATCHED = 200, 24


def take_snapshot(
    context: Context, base: Base, renderer: Renderer, how: Hyperparameters, documents: bool = False
) -> Snapshot:
    """What the record holds to learn from now, and with `documents`, or where live learned them, the documents.

    Raises: IndexDamaged.
    """
    settings = context.settings
    chunks = public_chunks(settings.data_dir) if documents or _knows_documents(context) else ()
    marked = context.registry.marked_live()
    recipe = Recipe(
        settings.system_prompt,
        base.hash,
        how,
        settings.review_policy,
        settings.author_share,
        settings.reservoir_max_items,
        learned_until(context.registry, context.store),
        marked[0] if marked else None,
    )
    embedder = cache(lambda: Embedder.load(settings.embedder))
    return build(
        context.record, renderer, recipe, divide(chunks, renderer), lambda questions: embedder().embed(questions)
    )


def _knows_documents(context: Context) -> bool:
    live = context.registry.route()
    return live != BASE and context.registry.get(live).manifest.chunks > 0


def tune(
    context: Context,
    base: Base,
    renderer: Renderer,
    snapshot: Snapshot,
    how: Hyperparameters,
    draft: Path,
    progress: Callable[[str, int, int], None],
) -> Trained:
    """Tune an adapter on a snapshot into a draft folder; a run of the same snapshot that was killed goes on.

    Raises: NotEnoughMemory, DiskFull.
    """
    settings = context.settings
    device, dtype = training_dtype(settings.train_device, settings.data_dir, how.precision)
    replay, apart = general_rows(renderer, settings.system_prompt)
    watch, learn = _watched(snapshot.train, how.patience)
    folder = settings.data_dir / TRAINING_FOLDER
    checkpoints = Checkpoints(folder, snapshot.hash)
    resumes = checkpoints.load() is not None
    with Journal(folder, snapshot.hash, settings, resumes, _curve(context, snapshot.hash, resumes)) as journal:
        means = Means(device, dtype, draft, checkpoints, journal, settings.train_max_s)
        material = Material(
            *(learn, watch, apart, snapshot.domain.learn, replay, snapshot.passes),
            *(snapshot.outcomes, snapshot.frozen_outcomes),
        )
        return train_on_all(base.folder, material, how, means, progress)


def general_rows(renderer: Renderer, system_prompt: str) -> tuple[list[Example], list[Row]]:
    """What ships with the package: examples to replay, and prompts on which to stay near base."""
    replay = as_examples(general_slice("general_train", renderer, system_prompt))
    apart = general_slice("general_kl", renderer, system_prompt)
    return replay, [(item.prompt_ids, item.reply_ids) for item in apart]


def _curve(context: Context, run: str, resumes: bool) -> Also:
    """Keeps a training's figures where the console finds them; a database that is away for a moment ends nothing."""
    told = False

    def note(step: int, figures: Mapping[str, float]) -> None:
        nonlocal told
        try:
            add_point(context.store, run, step, figures)
        except StoreUnavailable as error:
            if not told:
                log.warning("the curve of the training has a gap: %s", error)
            told = True

    if not resumes:
        drop_curve(context.store, run)
    return note


def forget_training(context: Context, snapshot: Snapshot) -> None:
    """Leave nothing from which a training on this snapshot could go on, and no curve of it."""
    drop_curve(context.store, snapshot.hash)
    Checkpoints(context.settings.data_dir / TRAINING_FOLDER, snapshot.hash).clear()


def manifest_of(
    draft: Path, base: Base, identity: str, snapshot: Snapshot, how: Hyperparameters, trained: Trained
) -> Manifest:
    """The manifest of what was tuned on a snapshot."""
    found = {"final_loss": round(trained.losses[-1], 4), "tokens": trained.tokens, "steps": len(trained.losses)}
    if trained.divergence is not None:
        found["divergence"] = round(trained.divergence, 4)
    if trained.kept < 1:
        found["kept"] = round(trained.kept, 4)
    if trained.ended_early:
        found["ended_early"] = trained.ended_early
    authors = {each.source: each.author for each in (*snapshot.train, *snapshot.outcomes)}
    return replace(
        describe(draft, base.name, base.hash, identity),
        parent=BASE,
        sources=tuple(authors),
        source_digests=tuple(authors.values()),
        snapshot=snapshot.hash,
        hyperparameters=how.as_dict() | found,
        chunks=len(snapshot.domain.learn),
        head=trained.head,
    )


def _watched(examples: tuple[Example, ...], patience: int) -> tuple[list[Example], list[Example]]:
    """Examples to watch, drawn by a hash of their sources, and those to learn; without patience none is watched."""
    if not patience or len(examples) < ENOUGH_TO_WATCH:
        return [], list(examples)
    lots = sorted(
        (e for e in examples if e.objective in ("sft", "pair")),
        key=lambda e: hashlib.sha256(e.source.encode()).digest(),
    )
    watch = lots[: min(len(examples) // WATCHED_SHARE, MOST_WATCHED)]
    chosen = {e.source for e in watch}
    return watch, [e for e in examples if e.source not in chosen]
