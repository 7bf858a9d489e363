"""The training loop: a `transformers.Trainer` whose data, schedule and checkpoints are functions of the step.

One item of the data loader is one whole optimiser step. It is cut into micro-batches here, so the
micro-batch, the device and the number of kills change speed and rounding, never data or order.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from newtongue.adapters.hf.quiet import silence
from newtongue.adapters.training.attention import float32_attention
from newtongue.adapters.training.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from newtongue.adapters.training.dropout import BlockDropout
from newtongue.adapters.training.loss import IGNORED, LanguageModelLoss
from newtongue.adapters.training.micro_batches import micro_batches
from newtongue.adapters.training.plan import Batch, Plan, Settings, padded_lengths

LOGITS_AT_ONCE = {"cpu": 1 << 22, "cuda": 1 << 27}
"""Logits held in float32 at one time: what fits a CPU's cache, and half a gigabyte of a GPU."""
START_TOKENS = {"cpu": 64, "cuda": 4096}
"""What a micro-batch costs before its first token, in tokens of a small model: launching its kernels."""

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW remembers of every weight."""


def train(model: nn.Module, plan: Plan, settings: Settings, scratch: Path) -> list[dict[str, Any]]:
    """Train a causal language model in place, going on from the newest checkpoint in `scratch` if there is one.

    Args:
        model: Float32 weights; those that require a gradient learn.
        plan: Data and schedule.
        settings: Optimiser and machine.
        scratch: Folder for checkpoints.

    Returns:
        The training log: about 200 evenly spaced lines, the last step always among them.
    """
    silence()
    trainer = StepTrainer(model, plan, settings, scratch)
    checkpoint = newest_checkpoint(trainer.checkpoints)
    with float32_attention(model, settings.device):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    trainer.dropout.remove()
    return trainer.records


class StepTrainer(Trainer):
    """A `Trainer` that asks its plan for the batch and the learning rate of every step."""

    def __init__(self, model: nn.Module, plan: Plan, settings: Settings, scratch: Path) -> None:
        """Wrap `model` with its loss and prepare an empty log; nothing is trained yet."""
        self.plan, self.how, self.checkpoints = plan, settings, scratch / "checkpoints"
        self.records: list[dict[str, Any]] = []
        self.dropout = BlockDropout(model, settings.dropout, settings.seed, settings.mixed)
        self._log_every = max(1, plan.steps // 200)
        self._overhead = START_TOKENS[settings.device.type]
        self._sums = torch.zeros(3, len(plan.sources), dtype=torch.float64, device=settings.device)
        callback = _Clock(settings, plan)
        at_once = LOGITS_AT_ONCE[settings.device.type]
        wrapped = LanguageModelLoss(model, logits_at_once=at_once, teacher=settings.teacher)
        settings.devices.shard(wrapped)
        super().__init__(
            model=wrapped,
            args=_arguments(plan, settings, scratch),
            data_collator=lambda rows: rows,
            callbacks=[callback],
        )
        for noisy in list(self.callback_handler.callbacks):
            if type(noisy).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(noisy)

    def get_train_dataloader(self) -> Any:
        """Return the steps that are left, one batch each, prepared in this process."""
        return _Steps(self)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], *_: Any) -> tuple[list[Any], None]:
        """Return the next step; `Trainer` need not count its labels."""
        batch = next(epoch_iterator, None)
        return ([] if batch is None else [batch]), None

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: work is estimated before training, not counted during it."""
        return 0

    def log(self, *_: Any, **__: Any) -> None:
        """Say nothing: the log is a file of the artefact."""

    def _wrap_model(self, model: nn.Module, *_: Any, **__: Any) -> nn.Module:
        return model

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make AdamW with four groups: embeddings or not, decayed (matrices) or not."""
        if self.optimizer is None:
            groups = parameter_groups(self.model.model, self.how)
            self.optimizer = torch.optim.AdamW(groups, betas=self.how.betas, eps=1e-8, fused=True)
        return self.optimizer

    def training_step(self, model: nn.Module, inputs: Batch, *_: Any) -> torch.Tensor:
        """Run one optimiser step's micro-batches forward and backward and return its mean loss."""
        step = self.state.global_step
        torch.manual_seed(self.how.seed * 1_000_003 + step)
        self.dropout.step = step
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * self.plan.rate(step)
        model.train()
        labelled = max(1, int((inputs.labels != IGNORED).sum()))
        scale = torch.tensor(1.0 / labelled, device=self.how.device)
        total = torch.zeros((), device=self.how.device)
        devices = self.how.devices
        lengths = devices.longest(padded_lengths(inputs.labels)).tolist()
        mine = Batch(devices.share(inputs.inputs), devices.share(inputs.labels, IGNORED), devices.share(inputs.sources))
        for rows in micro_batches(lengths, self.how.micro_batch, self._overhead):
            total += self._micro_batch(model, mine, (rows, lengths[rows.stop - 1]), scale)
        if (step + 1) % self._log_every == 0 or step + 1 == self.plan.steps:
            self._record(step)
        return total

    def _micro_batch(self, model: nn.Module, batch: Batch, cut: tuple[slice, int], scale: torch.Tensor) -> torch.Tensor:
        (rows, longest), device = cut, self.how.device
        labels = batch.labels[rows]
        ids, targets, sources = (
            torch.from_numpy(np.ascontiguousarray(part)).to(device, non_blocking=True)
            for part in (batch.inputs[rows, :longest], labels[:, :longest], batch.sources[rows])
        )
        mixed = self.how.dtype == "bfloat16"
        with torch.autocast(device.type, dtype=torch.bfloat16) if mixed else nullcontext():
            loss, nll = model(ids, targets, scale, sources)
        loss.backward()
        self._sums[0].index_add_(0, sources, nll.sum(dim=1).double())
        self._sums[1].index_add_(0, sources, (targets != IGNORED).sum(dim=1).double())
        self._sums[2].index_add_(0, sources, (targets != IGNORED).any(dim=1).double())
        return loss.detach()

    def _record(self, step: int) -> None:
        nll, tokens, sequences = self.how.devices.sum(self._sums).tolist()
        self.records.append(log_line(self.plan, self.how, step, (nll, tokens, sequences)))
        self._sums.zero_()

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        devices, tensors = self.how.devices, {}
        for name, weight in _learnt(self.model).items():
            moments = self.optimizer.state[weight]
            state = {"weight": weight, **{key: moments[key] for key in MOMENTS}}
            for key, value in state.items():
                whole = devices.whole(value.detach())
                if devices.first:
                    tensors[f"{key}.{name}"] = whole.cpu() if devices.count > 1 else whole
        tensors["log.sums"] = devices.sum(self._sums)
        facts = {"max_steps": self.state.max_steps, "train_batch_size": 1, "log_history": self.records}
        with devices.first_alone():
            if devices.first:
                write_checkpoint(self.checkpoints, self.state.global_step, tensors, facts)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        tensors, facts = read_checkpoint(Path(resume_from_checkpoint))
        with torch.no_grad():
            for name, weight in _learnt(self.model).items():
                weight.copy_(self.how.devices.part(tensors[f"weight.{name}"], weight))
        if self.how.devices.first:
            self._sums.copy_(tensors["log.sums"])
        self.records = facts["log_history"]
        self._moments = {name: value for name, value in tensors.items() if name.startswith("exp_avg")}
        self._steps_done = float(facts["global_step"])

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        for name, weight in _learnt(self.model).items():
            self.optimizer.state[weight] = {
                "step": torch.tensor(self._steps_done, device=weight.device),
                **{key: self.how.devices.part(self._moments[f"{key}.{name}"], weight) for key in MOMENTS},
            }
        del self._moments

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing to load: every step sets its own seed."""


def parameter_groups(model: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Return AdamW groups: embedding matrices at their own rate; decay for matrices, none for norms and biases.

    Embedding rows and everything with one dimension are not decayed.
    """
    embeddings = {id(weight) for weight in _embedding_weights(model)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            embedding = id(weight) in embeddings or "trainable_tokens" in name
            groups.setdefault((embedding, weight.ndim >= 2 and not embedding), []).append(weight)
    return [
        {
            "params": weights,
            "peak": settings.embedding_learning_rate if embedding else settings.learning_rate,
            "lr": 0.0,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (embedding, decayed), weights in groups.items()
    ]


def log_line(plan: Plan, settings: Settings, step: int, sums: tuple[list[float], ...]) -> dict[str, Any]:
    """Return one line of the training log from sums of loss, labelled tokens and sequences per source."""
    nll, tokens, sequences = sums
    sources: dict[str, Any] = {}
    for place, name in enumerate(plan.sources):
        if tokens[place]:
            loss = nll[place] / tokens[place]
            sources[name] = {"sequences": int(sequences[place]), "tokens": int(tokens[place]), "loss": round(loss, 6)}
            if plan.bytes_per_token[place]:
                sources[name]["bits_per_byte"] = round(loss / log(2) / plan.bytes_per_token[place], 6)
    return {
        "step": step + 1,
        "tokens": (step + 1) * plan.tokens_per_step,
        "learning_rate": settings.learning_rate * plan.rate(step),
        "loss": round(sum(nll) / max(1.0, sum(tokens)), 6),
        "sources": sources,
    }


def _embedding_weights(model: Any) -> list[nn.Parameter]:
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    weights = (layer._parameters.get("weight") for layer in layers if layer is not None)
    return [weight for weight in weights if weight is not None]


def _learnt(model: nn.Module) -> Mapping[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _arguments(plan: Plan, settings: Settings, scratch: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(scratch / "trainer"),
        max_steps=plan.steps,
        per_device_train_batch_size=1,
        max_grad_norm=settings.max_grad_norm,
        lr_scheduler_type="constant",
        use_cpu=settings.device.type == "cpu",
        seed=settings.seed % 2**32,
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        ignore_data_skip=True,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
    )
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class _Steps:
    """The steps from the trainer's present one to the last."""

    def __init__(self, trainer: StepTrainer) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[Batch]:
        plan = self._trainer.plan
        return (plan.batch(step) for step in range(self._trainer.state.global_step, plan.steps))


class _Clock(TrainerCallback):
    """Reports progress about once a second and asks for a checkpoint when the last one is old enough."""

    def __init__(self, settings: Settings, plan: Plan) -> None:
        self._settings, self._plan = settings, plan
        self._saved = self._told = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell the progress, and ask for a checkpoint when it is time."""
        now = time.monotonic()
        if now - self._told >= 1.0 or state.global_step == self._plan.steps:
            self._told = now
            per_step = self._plan.tokens_per_step
            self._settings.progress(state.global_step * per_step, self._plan.steps * per_step, "tokens")
        due = now - self._saved >= self._settings.save_every_seconds
        if state.global_step < self._plan.steps and self._settings.devices.agree(due):
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the time to the next checkpoint from now."""
        self._saved = time.monotonic()
        control.should_save = False
