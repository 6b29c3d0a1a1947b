"""The curves of a training: TensorBoard's files always, Weights & Biases where it is configured. Numbers only."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from core.errors import InvalidInput
from core.settings import Settings

FOLDER = "tensorboard"


Also = Callable[[int, Mapping[str, float]], None]
"""Somebody else who is told the figures of a step."""


class Journal:
    """Writes down figures by step. Use it with `with`."""

    def __init__(self, folder: Path, run: str, settings: Settings, resumes: bool, also: Also | None = None):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / FOLDER / run[:16]))
        self._also = also
        self._wandb = _begin_wandb(folder, run, settings, resumes) if settings.wandb_project else None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()
        if self._wandb is not None:
            self._wandb.finish(exit_code=int(error is not None))

    def note(self, step: int, **figures: float) -> None:
        """Figures of one step."""
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, step)
        if self._wandb is not None:
            self._wandb.log(figures, step=step)
        if self._also is not None:
            self._also(step, figures)


def _begin_wandb(folder: Path, run: str, settings: Settings, resumes: bool) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise InvalidInput(
            "APPRENTICE_WANDB_PROJECT is set and wandb is not installed: pip install wandb, or empty the setting."
        ) from error
    return wandb.init(
        project=settings.wandb_project,
        id=run[:16],
        resume="allow" if resumes else None,
        dir=folder,
        mode="offline" if settings.wandb_offline else "online",
        settings=wandb.Settings(console="off", disable_git=True, save_code=False, silent=True),
    )
