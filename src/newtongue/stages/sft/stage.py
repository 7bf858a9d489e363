"""`sft`: fine-tune a model on conversations, with loss on the answers and their stop token only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.hf.chat import choose_template, save_template, stop_id
from newtongue.adapters.hf.models import CPU, end_of_text_id, load_tokenizer, stored_dtype
from newtongue.adapters.tables import read_conversations, read_documents, write_rejects
from newtongue.adapters.training.devices import Devices, join
from newtongue.adapters.training.export import model_counts, save_model, write_log
from newtongue.adapters.training.lora import hold_old_rows, merge_adapters, trainable_model
from newtongue.adapters.training.plan import Plan, Settings
from newtongue.adapters.training.threads import use_threads
from newtongue.adapters.training.trainer import train
from newtongue.core.config import FileRef
from newtongue.core.context import Context, Outcome
from newtongue.methods.schedule import Schedule
from newtongue.stages.sft.config import SftConfig
from newtongue.stages.sft.data import Conversations, Rows, rendered_rows, text_rows


def finetune(config: SftConfig, context: Context) -> Outcome:
    """Fine-tune on conversations and write the model with its chat template and stop token.

    Source: Ouyang et al. 2022 (arXiv 2203.02155), section 3.5, supervised fine-tuning; loss on answers only
    as in Touvron et al. 2023 (arXiv 2307.09288), section 3.1.
    """
    started = time.monotonic()
    use_threads(config.threads)
    devices = join(config.device, config.devices)
    source = context[config.model].path
    tokenizer = load_tokenizer(source)
    template = choose_template(tokenizer, template_text(config, context))
    rows = rendered_sources(config, context, tokenizer)
    plan = training_plan(config, rows, end_of_text_id(tokenizer))
    model = trainable_model(source, config.lora, devices.device)
    if config.embedding_rows == "new" and config.lora is None:
        hold_old_rows(model, source, learn=tokenizer.all_special_ids)
    prepared = time.monotonic()
    log = train(model, plan, settings_of(config, devices, context), context.scratch)
    trained = time.monotonic()
    finished = devices.finished(model, lambda: trainable_model(source, config.lora, CPU))
    if finished is None:
        return Outcome()
    save_model(merge_adapters(finished), source, context.payload, dtype=stored_dtype(source))
    save_template(tokenizer, context.payload)
    write_log(context.payload / "training_log.jsonl", log)
    write_rejects(context.payload / "set_aside.jsonl", [reject for part in rows for reject in part.rejects])
    seconds = {"prepare_seconds": prepared - started, "train_seconds": trained - prepared}
    return outcome(rows, plan, Finetuned(template, log[-1], model_counts(context.payload), seconds))


def template_text(config: SftConfig, context: Context) -> str:
    """Return `keep`, `chatml`, or the text of the template file that was named."""
    wanted = config.chat_template
    return context[wanted].path.read_text("utf-8") if isinstance(wanted, FileRef) else wanted


def rendered_sources(config: SftConfig, context: Context, tokenizer: Any) -> list[Rows]:
    """Render the target conversations and, when there are any, the English ones."""
    stop = stop_id(tokenizer)
    named = {"target": config.data} | ({"english": config.english} if config.english else {})
    sources = []
    for name, ref in named.items():
        conversations = read_conversations(context[ref], "train")
        sources.append(rendered_rows(name, conversations, tokenizer, stop, config.sequence_length))
        facts = {"rows": len(sources[-1].rendered), "set_aside": len(sources[-1].rejects)}
        context.journal("rendered", source=name, **facts)
    for name, corpus in config.text.items():
        documents = read_documents(context[corpus], "train")
        sources.append(text_rows(f"{name}_text", documents, tokenizer, config.sequence_length))
    return sources


def shares_of(config: SftConfig) -> tuple[float, ...]:
    """Return the share of each source among the rows: target and English conversations, then plain text."""
    conversations = 1 - sum(config.shares_of_text())
    english = config.english_share * conversations if config.english else 0.0
    own = (conversations - english, english) if config.english else (conversations,)
    return own + config.shares_of_text()


def training_plan(config: SftConfig, rows: list[Rows], padding: int) -> Plan:
    """Return data and schedule as functions of the step."""
    shares = shares_of(config)
    mean = sum(share * part.tokens / len(part.rendered) for share, part in zip(shares, rows, strict=True))
    per_step = max(1, round(config.tokens_per_step / mean))
    wanted = config.epochs * len(rows[0].rendered) / shares[0]
    per_step = min(per_step, max(1, round(wanted)))
    steps = max(1, round(wanted / per_step))
    batch = Conversations(tuple(rows), shares, per_step, padding, config.seed, config.sequence_length)
    rate = Schedule(steps, config.warmup_fraction, decay_fraction=1.0, final_fraction=0.0)
    bytes_per_token = [part.answer_bytes / part.learnt_tokens for part in rows]
    return Plan(steps, batch, rate, round(per_step * mean), [part.name for part in rows], bytes_per_token)


def settings_of(config: SftConfig, devices: Devices, context: Context) -> Settings:
    """Return the optimiser's settings."""
    return Settings(
        learning_rate=config.learning_rate,
        embedding_learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        dtype=config.dtype,
        seed=config.seed,
        micro_batch=config.micro_batch,
        save_every_seconds=config.save_every_seconds,
        devices=devices,
        progress=context.progress,
    )


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What there is to tell of a finished training.

    Attributes:
        template: Which chat template the model got.
        last: Last line of the training log.
        sizes: Counts of the written model.
        seconds: Phase -> wall time.
    """

    template: str
    last: Mapping[str, Any]
    sizes: Mapping[str, int]
    seconds: Mapping[str, float]


def outcome(rows: list[Rows], plan: Plan, result: Finetuned) -> Outcome:
    """Say what was trained on, what was set aside and how it went."""
    tokens = plan.steps * plan.tokens_per_step
    counts = {"tokens": tokens, "steps": plan.steps, **result.sizes}
    licences: Counter[str] = Counter()
    for part in rows:
        counts |= {f"{part.name}_conversations": len(part.rendered), f"{part.name}_set_aside": len(part.rejects)}
        licences.update(part.licences)
    aside = sum(len(part.rejects) for part in rows)
    card = [f"Fine-tuned for {plan.steps} steps on answers and their stop token; chat template: {result.template}."]
    if aside:
        card.append(f"{aside} conversations were set aside; `set_aside.jsonl` says why.")
    return Outcome(
        counts=counts,
        metrics={f"{name}_loss_nats_per_token": facts["loss"] for name, facts in result.last["sources"].items()},
        licences=dict(licences),
        languages=sorted(set().union(*(part.languages for part in rows))),
        card=card,
        costs={**result.seconds, "tokens_per_second": tokens / max(result.seconds["train_seconds"], 1e-9)},
    )
