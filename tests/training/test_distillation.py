"""Learning a teacher's predictions: loss and gradient are the plain formula's, and what the teacher knew is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from newtongue.adapters.hf.models import load_model, load_tokenizer
from newtongue.adapters.hf.pico import make_pico
from newtongue.adapters.training.counted import Counted
from newtongue.adapters.training.loss import LanguageModelLoss
from newtongue.adapters.training.teacher import Teacher
from newtongue.core.budget import Counts, Machine
from newtongue.core.errors import DataError
from newtongue.stages.pretrain import teaching
from newtongue.stages.pretrain.config import PretrainConfig
from newtongue.stages.pretrain.estimate import estimate
from newtongue.stages.pretrain.stage import pretrain

SHORT: dict[str, Any] = {
    "sequence_length": 32, "tokens_per_step": 256, "learning_rate": 5e-3, "threads": 1, "device": "cpu",
}  # fmt: skip
WEIGHT, TEMPERATURE = 0.6, 1.7


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tokens, labels with holes, and the source of each of three sequences."""
    tokens = torch.randint(0, 300, (3, 20), generator=torch.Generator().manual_seed(0))
    labels = tokens.roll(-1, dims=1)
    labels[:, -3:] = -100
    return tokens, labels, torch.tensor([0, 1, 0])


def counted_by_hand(inputs: np.ndarray, labels: np.ndarray) -> Any:
    """Predict, at each place, the id after the input with 0.5, the input itself with 0.2, the rest alike for all."""
    count = len(inputs)
    ids = np.stack([(inputs + 1) % 300, inputs], axis=1).astype(np.int32).reshape(-1)
    shares = np.tile(np.array([0.5, 0.2], np.float32), count)
    return SimpleNamespace(
        starts=np.arange(count + 1) * 2, tokens=ids, shares=shares, rest=np.full(count, 0.3, np.float32)
    )


def by_the_formula(model: Any, teacher: Any, share: float | None) -> torch.Tensor:
    """Return (1 - w) CE(label) + w CE(taught) over the sequences of source 1, CE(label) over the others."""
    tokens, labels, sources = batch()
    log_p = functional.log_softmax(model(input_ids=tokens).logits.float(), dim=-1)
    q = torch.zeros_like(log_p)
    if teacher is not None:
        with torch.no_grad():
            said = functional.softmax(teacher(input_ids=tokens).logits.float() / TEMPERATURE, dim=-1)
        q[..., : said.shape[-1]] = said
    if share is not None:
        ids = torch.arange(300)
        counts = torch.zeros_like(log_p)
        counts[..., :300] = 0.3 / 300
        counts[..., :300] += 0.5 * (ids == (tokens[..., None] + 1) % 300) + 0.2 * (ids == tokens[..., None])
        q = counts if teacher is None else (1 - share) * q + share * counts
    hard = -log_p.gather(2, labels.clamp(min=0)[..., None])[..., 0]
    soft = -(q * log_p).sum(-1)
    weight = (sources == 1).float()[:, None] * WEIGHT
    return (((1 - weight) * hard + weight * soft) * (labels != -100)).sum()


@pytest.mark.parametrize("taught_by", ["model", "counts", "both"])
@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_loss_and_gradient_are_the_formula_s(architecture: str, taught_by: str, tmp_path: Path) -> None:
    """Gemma-2 caps its logits, so it goes the way of whole logits; a pupil with more rows than its teacher works."""
    model = load_model(make_pico(tmp_path / "pupil", architecture, tied=True, padding_rows=8), "float32")
    other, counted = None, None
    if taught_by != "counts":
        other = load_model(make_pico(tmp_path / "teacher", architecture, tied=True), "float32").eval()
        with torch.no_grad():
            for weight in other.parameters():
                weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)) * 0.05)
    if taught_by != "model":
        counted = Counted(counted_by_hand, np.full(300, 1 / 300, np.float32), 0.3)
    expected = by_the_formula(model, other, counted and counted.share)
    expected.backward()
    wanted = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    teacher = Teacher(other, WEIGHT, TEMPERATURE, {1}, counted)
    wrapped = LanguageModelLoss(model, logits_at_once=7000, teacher=teacher)
    tokens, labels, sources = batch()
    loss, nll = wrapped(tokens, labels, torch.tensor(1.0), sources)
    loss.backward()
    assert torch.allclose(loss, expected, rtol=1e-4)
    text = LanguageModelLoss(model)(tokens, labels, torch.tensor(1.0))[1]
    assert torch.allclose(nll, text, atol=1e-4), "the log tells of the text, not of the teacher"
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad, wanted[name], atol=1e-3, rtol=1e-3), name
    assert other is None or all(weight.grad is None for weight in other.parameters())


def test_a_pupil_that_is_its_teacher_has_nothing_to_learn(tmp_path: Path) -> None:
    folder = make_pico(tmp_path, "llama")
    model, teacher = load_model(folder, "float32"), load_model(folder, "float32").eval()
    tokens, labels, sources = batch()
    loss, _ = LanguageModelLoss(model, teacher=Teacher(teacher, 1.0, 1.0, {0, 1}))(
        tokens, labels, torch.tensor(1.0), sources
    )
    loss.backward()
    assert max(float(weight.grad.abs().max()) for weight in model.parameters()) < 1e-4


def far(before: Path, after: Path, texts: list[str]) -> float:
    """Return the mean KL divergence in nats from one model's predictions to another's on the texts."""
    one, two, tokenizer = load_model(before, "float32"), load_model(after, "float32"), load_tokenizer(before)
    total = 0.0
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.no_grad():
            p, q = (functional.log_softmax(model(input_ids=ids).logits[0].float(), -1) for model in (one, two))
        total += float((p.exp() * (p - q)).sum(-1).mean())
    return total / len(texts)


@pytest.fixture
def two_languages(tmp_path: Path) -> tuple[Path, Path]:
    """Return a corpus to learn (Devanagari) and one to keep (Latin)."""
    files = (tmp_path / "hindi.jsonl", tmp_path / "english.jsonl")
    sentences = ("किसान सूरज निकलने से पहले पुरानी चक्की तक पानी ले गया।", "The farmer carried water to the old mill.")
    for file, sentence in zip(files, sentences, strict=True):
        rows = [{"id": str(n), "text": f"{n} {sentence} {n * 7}"} for n in range(60)]
        file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return files


def test_the_base_as_teacher_on_the_replay_keeps_the_predictions_nearer(
    pico_model: Callable[..., Path], two_languages: tuple[Path, Path], make_context: Any
) -> None:
    hindi, english = two_languages
    common = {"model": "./base", "corpus": "./hindi", "replay": {"corpus": "./english", "share": 0.5}, "tokens": 8192}
    moved = {}
    for name, taught in {"without": None, "with": {"model": "./base", "weight": 1.0}}.items():
        context = make_context(name, base=pico_model(), hindi=hindi, english=english)
        outcome = pretrain(PretrainConfig(**common, **SHORT, distillation=taught), context)
        moved[name] = far(pico_model(), context.payload, ["The farmer carried water.", "She thanked nobody."])
        assert any("predictions of a teacher" in line for line in outcome.card) is (taught is not None)
    assert moved["with"] < 0.5 * moved["without"]


@pytest.mark.parametrize("counts", [None, {"order": 4, "share": 0.3}])
def test_checkpoints_and_micro_batches_change_nothing(
    pico_model: Callable[..., Path], two_languages: tuple[Path, Path], make_context: Any, counts: Any
) -> None:
    hindi, english = two_languages
    settings = PretrainConfig(
        model="./base", corpus="./hindi", replay={"corpus": "./english", "share": 0.5}, tokens=2048,
        distillation={"model": "./base", "temperature": 1.2, "counts": counts}, dropout=0.1, dtype="float32", **SHORT,
    )  # fmt: skip
    made = {}
    for name, change in {"plain": {}, "saved": {"save_every_seconds": 1e-6}, "other": {"micro_batch": 3}}.items():
        context = make_context(name, base=pico_model(), hindi=hindi, english=english)
        pretrain(settings.model_copy(update=change), context)
        made[name] = load_model(context.payload, "float32").state_dict()
    assert all(torch.equal(weight, made["saved"][name]) for name, weight in made["plain"].items())
    assert all(torch.allclose(weight, made["other"][name], atol=2e-5) for name, weight in made["plain"].items())


def test_a_teacher_that_cannot_read_the_text_is_refused(
    pico_model: Callable[..., Path], corpus_file: Path, make_context: Any, tmp_path: Path
) -> None:
    settings = PretrainConfig(
        model="./base", corpus="./corpus", tokens=512, distillation={"model": "./teacher", "on": "all"}, **SHORT
    )
    smaller = shutil.copytree(pico_model(), tmp_path / "smaller")
    described = json.loads((smaller / "tokenizer.json").read_text("utf-8"))
    last = described["model"]["merges"].pop()
    described["model"]["vocab"].pop("".join(last) if isinstance(last, list) else last.replace(" ", ""))
    (smaller / "tokenizer.json").write_text(json.dumps(described), "utf-8")
    with pytest.raises(DataError, match="cannot read them all"):
        pretrain(settings, make_context("fewer", base=pico_model(), teacher=smaller, corpus=corpus_file))
    with pytest.raises(DataError, match="to the teacher and not to the model that learns"):
        pretrain(settings, make_context("more", base=smaller, teacher=pico_model(), corpus=corpus_file))
    with pytest.raises(ValidationError, match="needs a `model`, `counts`, or both"):
        PretrainConfig(model="./base", corpus="./corpus", tokens=512, distillation={"on": "all"})
    with pytest.raises(ValidationError, match="needs `replay`"):
        PretrainConfig(model="./base", corpus="./corpus", tokens=512, distillation={"model": "./teacher"})


def test_counts_alone_are_learnt_and_text_that_is_too_long_is_refused(
    pico_model: Callable[..., Path], corpus_file: Path, make_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PretrainConfig(
        model="./base", corpus="./corpus", tokens=4096, distillation={"counts": {"order": 3}, "on": "all"}, **SHORT
    )
    outcome = pretrain(settings, make_context("learnt", base=pico_model(), corpus=corpus_file))
    assert any("50% of the target were predictions of counts of up to 3 tokens" in line for line in outcome.card)
    monkeypatch.setattr(teaching, "COUNTED_TOKENS", 100)
    with pytest.raises(DataError, match="too many to count in memory"):
        pretrain(settings, make_context("refused", base=pico_model(), corpus=corpus_file))


def test_the_estimate_counts_the_teacher() -> None:
    size = Counts(parameters=1_000_000_000, rows=32_000, hidden=2048, layers=16)
    common = {"model": "$base", "corpus": "$corpus", "replay": {"corpus": "$english", "share": 0.25}}
    settings = PretrainConfig(**common, tokens=100_000_000)
    taught = settings.model_copy(update={"distillation": PretrainConfig(
        **common, tokens=1, distillation={"model": "$base"},
    ).distillation})  # fmt: skip
    machine = Machine(name="GPU", teraflops=100, memory_gb=80)
    plain, dearer = (estimate(each, {"$base": size}, machine) for each in (settings, taught))
    assert dearer.seconds[1] == pytest.approx(plain.seconds[1] * (1 + 0.25 / 3), rel=0.02)
    assert dearer.memory_gb == pytest.approx(plain.memory_gb + 2.0)
