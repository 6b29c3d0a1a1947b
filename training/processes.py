"""The processes that train together, one for each GPU: who makes which pieces, and sums over all of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")


class Processes:
    """This process among those of a training, number `number` of `count`. Alone, it changes nothing at all."""

    def __init__(self, accelerator: "Accelerator | None" = None):
        self._accelerator = accelerator
        self.count = accelerator.num_processes if accelerator else 1
        self.number = accelerator.process_index if accelerator else 0

    def share(self, pieces: Sequence[T]) -> Sequence[T]:
        """This process's own pieces."""
        return pieces[self.number :: self.count]

    def total(self, figure: float) -> float:
        """The sum of all processes' figures."""
        if self._accelerator is None:
            return figure
        found = torch.tensor([figure], dtype=torch.float32, device=self._accelerator.device)
        return self._accelerator.reduce(found, "sum").item()

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Put into each tensor the sum of all processes' such tensors; they go as one."""
        if self._accelerator is None:
            return
        together = self._accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), "sum")
        for tensor, summed in zip(tensors, together.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(summed.view_as(tensor))

    def agree(self, figure: float) -> float:
        """The figure of process 0, whatever the others have."""
        if self._accelerator is None:
            return figure
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([figure])[0]

    def gather(self, found: list[T]) -> list[T]:
        """What all processes found, process by process."""
        if self._accelerator is None:
            return found
        from accelerate.utils import gather_object

        return gather_object(found)


ALONE = Processes()
