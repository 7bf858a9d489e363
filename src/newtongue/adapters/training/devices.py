"""Several processes that train one model together: FSDP2 under torchrun, one process per device.

Every process computes its share of each optimiser step; gradients are summed, so the step is the one a single process
would take, up to rounding. Weights, gradients and moments are shared out; a whole copy is put together, on the CPU of
the first process, for a checkpoint and for the finished model: 12 bytes per weight that learns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from newtongue.adapters.hf.models import pick_device
from newtongue.adapters.training.architectures import plain_model
from newtongue.core.errors import DataError

PATIENCE = timedelta(days=7)
"""How long a process waits for another, which may be tokenising a corpus; one that dies ends all of them at once."""
TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK", "ROLE_WORLD_SIZE")


@dataclass(frozen=True, slots=True)
class Devices:
    """The processes that train together, seen from one of them.

    Attributes:
        device: Where this one computes.
        rank: Its number, from 0; 0 alone writes files.
        count: How many there are; 1 needs no torchrun and changes nothing.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process do something, such as tokenising into scratch, before the others do it."""
        if not self.first:
            dist.barrier()
        yield
        if self.first and self.count > 1:
            dist.barrier()

    def share(self, values: NDArray[np.int64], filler: int | None = None) -> NDArray[np.int64]:
        """Return this process's rows of an array, as many as every other has.

        Args:
            values: Rows in order of length.
            filler: What rows that make the division even hold; None repeats the first row.
        """
        return self._even(values, filler)[self.rank :: self.count]

    def longest(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the longest of each row's counterparts in all processes, so that all cut their rows alike."""
        return self._even(lengths).reshape(-1, self.count).max(axis=1)

    def _even(self, values: NDArray[np.int64], filler: int | None = None) -> NDArray[np.int64]:
        missing = -len(values) % self.count
        extra = np.repeat(values[:1], missing, axis=0)
        return np.concatenate([extra if filler is None else np.full_like(extra, filler), values]) if missing else values

    def shard(self, model: nn.Module) -> None:
        """Share out the weights: each block of the decoder by itself, the rest with the root.

        Raises:
            DataError: The blocks are not where Llama-like decoders have them.
        """
        if self.count == 1:
            return
        blocks = getattr(getattr(plain_model(model.model), "model", None), "layers", None)
        if blocks is None:
            raise DataError("the blocks of this architecture are not known", place="devices", fix="set devices: 1")
        mesh = init_device_mesh(self.device.type, (self.count,))
        for block in blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        for part in model.modules():
            if isinstance(part, FSDPModule):
                part.set_gradient_divide_factor(1.0)
                part.set_force_sum_reduction_for_comms(True)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes; `values` itself is left as it is."""
        if self.count == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total

    def agree(self, wanted: bool) -> bool:
        """Return what the first process wants."""
        if self.count == 1:
            return wanted
        said = torch.tensor([int(wanted)])
        dist.broadcast(said, src=0)
        return bool(said.item())

    def whole(self, weight: Tensor) -> Tensor:
        """Return a weight, gradient or moment as one tensor; every process has to ask."""
        return weight.full_tensor() if isinstance(weight, DTensor) else weight

    def part(self, whole: Tensor, like: Tensor) -> Tensor:
        """Return this process's part of a whole tensor, shared out as `like` is."""
        if not isinstance(like, DTensor):
            return whole.to(like.device)
        placed = whole.to(self.device)
        return distribute_tensor(placed, like.device_mesh, like.placements, src_data_rank=None)

    def finished(self, model: nn.Module, fresh: Callable[[], nn.Module]) -> nn.Module | None:
        """Return the trained model whole: itself where one process trained; None in all processes but the first.

        Args:
            model: The model that was trained.
            fresh: Loads it as it was before training, on the CPU.
        """
        if self.count == 1:
            return model
        target = fresh() if self.first else None
        whole = dict(target.named_parameters()) if target is not None else {}
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.requires_grad:
                    value = self.whole(weight)
                    if self.first:
                        whole[name].copy_(value)
        return target


def join(wanted: str, count: int) -> Devices:
    """Meet the other processes of this training and take one device each.

    Args:
        wanted: `auto`, `cpu` or `cuda`.
        count: Processes in all; above 1 this process was started by torchrun with as many others.

    Raises:
        DataError: There are fewer accelerators than processes, or torchrun started another number.
    """
    if count == 1:
        return Devices(pick_device(wanted))
    rank, started = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if started != count:
        raise DataError(
            f"{count} processes should train together, {started} were started",
            place="devices",
            fix="run the stage through `newtongue run` or `newtongue stage`, or start it under torchrun yourself",
        )
    there = torch.cuda.device_count() if wanted != "cpu" else 0
    if 0 < there < count:
        raise DataError(f"{count} devices asked for, {there} are there", place="devices", fix=f"set devices: {there}")
    if there:
        # Before CUDA starts: from here on this process sees its own device alone, as `cuda:0`.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(there)))
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[rank]
    device = pick_device(wanted)
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    for name in TORCHRUN:
        os.environ.pop(name, None)  # else `transformers.Trainer` would wrap the model a second time
    return Devices(device, rank, count)
