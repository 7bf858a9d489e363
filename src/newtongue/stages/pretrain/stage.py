"""`pretrain`: train a language model on packed text of the target language and of the languages to keep."""

from __future__ import annotations

import time
from pathlib import Path

from newtongue.adapters.hf.create import create_llama, train_tokenizer
from newtongue.adapters.hf.models import end_of_text_id, load_model, load_tokenizer, pick_device, stored_dtype
from newtongue.adapters.tables import read_documents
from newtongue.adapters.training.export import save_model, write_log
from newtongue.adapters.training.lora import merge_adapters, prepare_trainable
from newtongue.adapters.training.shards import Ring
from newtongue.adapters.training.threads import use_threads
from newtongue.adapters.training.trainer import Plan, Settings, train
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import RecipeError
from newtongue.methods.schedule import Schedule
from newtongue.stages.pretrain.config import Architecture, PretrainConfig
from newtongue.stages.pretrain.data import Sequences, shares_of, target_corpora, tokenised_sources


def pretrain(config: PretrainConfig, context: Context) -> Outcome:
    """Continue pre-training (or start it) and write the trained model.

    Source: continued pre-training with replay of the source language as in Csaki et al. 2024 (arXiv 2404.05829);
    replay sampled from the base itself after Sun et al. 2020 (LAMOL, arXiv 1909.03329).
    """
    started = time.monotonic()
    use_threads(config.threads)
    source = starting_point(config, context)
    tokenizer = load_tokenizer(source)
    rings = tokenised_sources(config, context, tokenizer)
    shares = shares_of(config, rings)
    plan = training_plan(config, rings, shares)
    device = pick_device(config.device)
    model = prepare_trainable(load_model(source, "float32", device), config.lora, source)
    prepared = time.monotonic()
    log = train(model, plan, settings_of(config, device, context), context.scratch)
    trained = time.monotonic()
    dtype = config.dtype if isinstance(config.model, Architecture) else stored_dtype(source)
    save_model(merge_adapters(model), source, context.payload, dtype=dtype)
    write_log(context.payload / "training_log.jsonl", log)
    costs = {"prepare_seconds": prepared - started, "train_seconds": trained - prepared}
    return outcome(config, rings, plan, log, costs)


def starting_point(config: PretrainConfig, context: Context) -> Path:
    """Return the directory of the model to train; one made from an architecture lies in scratch."""
    if not isinstance(config.model, Architecture):
        return context[config.model].path
    folder, shape = context.scratch / "start", config.model
    if (folder / "done").is_file():
        return folder
    texts = (row.text for ref in target_corpora(config).values() for row in read_documents(context[ref], "train"))
    tokenizer = train_tokenizer(texts, shape.vocabulary, folder, max_positions=shape.max_positions)
    settings = shape.model_dump(exclude={"vocabulary"})
    end = end_of_text_id(tokenizer)
    model = create_llama(rows=len(tokenizer), end_of_text=end, seed=config.seed, **settings)
    model.save_pretrained(folder)
    (folder / "done").touch()
    return folder


def training_plan(config: PretrainConfig, rings: dict[str, Ring], shares: dict[str, float]) -> Plan:
    """Return data and schedule as functions of the step."""
    if config.tokens_per_step < config.sequence_length:
        raise RecipeError(
            f"tokens_per_step is {config.tokens_per_step}, less than one sequence of {config.sequence_length}",
            place="pretrain.tokens_per_step",
            fix=f"set it to at least {config.sequence_length}",
        )
    per_step = config.tokens_per_step // config.sequence_length
    tokens_per_step = per_step * config.sequence_length
    steps = max(1, round(config.tokens / tokens_per_step))
    opened = tuple(ring.open() for ring in rings.values())
    batch = Sequences(opened, tuple(shares.values()), per_step, config.sequence_length, config.seed)
    rate = Schedule(steps, config.warmup_fraction, config.decay_fraction, config.final_fraction)
    bytes_per_token = [ring.utf8_bytes / ring.tokens for ring in rings.values()]
    return Plan(steps, batch, rate, tokens_per_step, list(rings), bytes_per_token)


def settings_of(config: PretrainConfig, device: object, context: Context) -> Settings:
    """Return the optimiser's settings."""
    return Settings(
        learning_rate=config.learning_rate,
        embedding_learning_rate=config.embedding_learning_rate or config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        dropout=config.dropout,
        dtype=config.dtype,
        seed=config.seed,
        micro_batch=config.micro_batch,
        save_every_seconds=config.save_every_seconds,
        device=device,
        progress=context.progress,
    )


def outcome(
    config: PretrainConfig, rings: dict[str, Ring], plan: Plan, log: list[dict], costs: dict[str, float]
) -> Outcome:
    """Say what was trained on, how it went and what is doubtful about it."""
    tokens = plan.steps * plan.tokens_per_step
    shares = shares_of(config, rings)
    counts = {"tokens": tokens, "steps": plan.steps}
    counts |= {f"{name} documents": ring.documents for name, ring in rings.items()}
    counts |= {f"{name} tokens": ring.tokens for name, ring in rings.items()}
    metrics = {"final loss, nats per token": log[-1]["loss"]}
    for name, facts in log[-1]["sources"].items():
        metrics[f"{name}, bits per byte"] = facts.get("bits_per_byte", 0.0)
    licences: dict[str, int] = {}
    for ring in rings.values():
        for licence, number in ring.licences.items():
            licences[licence] = licences.get(licence, 0) + number
    return Outcome(
        counts=counts,
        metrics=metrics,
        licences=licences,
        languages=sorted({tag for ring in rings.values() for tag in ring.languages}),
        card=card(config, rings, shares, tokens),
        costs=costs | {"tokens_per_second": tokens / max(costs["train_seconds"], 1e-9)},
    )


def card(config: PretrainConfig, rings: dict[str, Ring], shares: dict[str, float], tokens: int) -> list[str]:
    """Return the paragraphs of the model's card."""
    mix = ", ".join(
        f"{name} {share:.0%} ({share * tokens / rings[name].tokens:.1f} passes over {rings[name].tokens:,} tokens)"
        for name, share in shares.items()
    )
    start = "from random weights" if isinstance(config.model, Architecture) else f"from {config.model}"
    lines = [f"Trained {start} on {tokens:,} tokens in sequences of {config.sequence_length}: {mix}."]
    if config.lora:
        lines.append(f"Adapters of rank {config.lora.rank} were trained and merged; rows trained: {config.lora.rows}.")
    if config.replay is None and not isinstance(config.model, Architecture):
        lines.append("Warning: no replay. What the model knew of other languages will have got worse.")
    return lines
