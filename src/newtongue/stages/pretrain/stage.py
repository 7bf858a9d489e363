"""`pretrain`: train a language model on packed text of the target language and of the languages to keep."""

from __future__ import annotations

import time
from pathlib import Path

from newtongue.adapters.hf.create import create_llama, train_tokenizer
from newtongue.adapters.hf.models import CPU, end_of_text_id, load_tokenizer, stored_dtype
from newtongue.adapters.tables import read_documents
from newtongue.adapters.training.devices import Devices, join
from newtongue.adapters.training.export import model_counts, save_model, write_log
from newtongue.adapters.training.lora import hold_old_rows, merge_adapters, trainable_model
from newtongue.adapters.training.plan import Plan, Settings
from newtongue.adapters.training.shards import Ring
from newtongue.adapters.training.teacher import Teacher
from newtongue.adapters.training.threads import use_threads
from newtongue.adapters.training.trainer import train
from newtongue.core.context import Context, Outcome
from newtongue.core.errors import RecipeError
from newtongue.methods.mixing import hashed
from newtongue.methods.schedule import Schedule
from newtongue.stages.pretrain.config import Architecture, PretrainConfig
from newtongue.stages.pretrain.data import Sequences, shares_of, target_corpora, tokenised_sources
from newtongue.stages.pretrain.summary import Trained, outcome
from newtongue.stages.pretrain.teaching import teacher_of


def pretrain(config: PretrainConfig, context: Context) -> Outcome:
    """Continue pre-training (or start it) and write the trained model.

    Source: continued pre-training with replay of the source language as in Csaki et al. 2024 (arXiv 2404.05829);
    replay sampled from the base itself after Sun et al. 2020 (LAMOL, arXiv 1909.03329); a teacher's predictions as
    `adapters.training.teacher` says.
    """
    started = time.monotonic()
    use_threads(config.threads)
    devices = join(config.device, config.devices)
    with devices.first_alone():
        source = starting_point(config, context)
        tokenizer = load_tokenizer(source)
        rings = tokenised_sources(config, context, tokenizer)
    teacher = teacher_of(config, context, source, rings, devices.device)
    shares = shares_of(config, rings)
    plan = training_plan(config, rings, shares)
    model = trainable_model(source, config.lora, devices.device)
    if config.embedding_rows == "new" and config.lora is None:
        hold_old_rows(model, source)
    prepared = time.monotonic()
    log = train(model, plan, settings_of(config, devices, context, teacher), context.scratch)
    trained = time.monotonic()
    finished = devices.finished(model, lambda: trainable_model(source, config.lora, CPU))
    if finished is None:
        return Outcome()
    dtype = config.dtype if isinstance(config.model, Architecture) else stored_dtype(source)
    save_model(merge_adapters(finished), source, context.payload, dtype=dtype)
    write_log(context.payload / "training_log.jsonl", log)
    seconds = {"prepare_seconds": prepared - started, "train_seconds": trained - prepared}
    return outcome(config, Trained(rings, shares, plan, log, model_counts(context.payload), seconds))


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


def settings_of(config: PretrainConfig, devices: Devices, context: Context, teacher: Teacher | None) -> Settings:
    """Return the optimiser's settings."""
    return Settings(
        learning_rate=config.learning_rate,
        embedding_learning_rate=config.embedding_learning_rate or config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        dropout=config.dropout,
        teacher=teacher,
        mixed=hashed,
        dtype=config.dtype,
        seed=config.seed,
        micro_batch=config.micro_batch,
        save_every_seconds=config.save_every_seconds,
        devices=devices,
        progress=context.progress,
    )
