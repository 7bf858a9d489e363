"""Checks on the tokenizer: kind, ids, special tokens, and text that must come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from newtongue.adapters.hf.checkpoint import Checkpoint
from newtongue.adapters.hf.tokenizers import FastTokenizer
from newtongue.tools.doctor.findings import Finding

SCRIPTS = {
    "Latin": "Façade, naïve; Ọ̀rọ̀ 12.5 km – “quoted”",
    "Arabic": "یہ اردو ہے، کتاب‌ها ۱۲۳",
    "Devanagari": "क्षत्रिय हिन्दी में लिखता है।",
    "Thai": "ภาษาไทยเขียนติดกัน",
    "Han": "汉字与かな、한글",
}
"""One line per script with what tends to be lost: marks, joiners, digits, characters outside the BMP's start."""
NAMED = ("bos_token", "eos_token", "pad_token", "unk_token")


def kind(_folder: Path, _checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Say whether the tokenizer stage can continue this vocabulary."""
    model = tokenizer.content["model"]
    name = model.get("type") or ("BPE" if "merges" in model else "unknown")
    if name != "BPE":
        sentence = f"a {name} tokenizer, whose vocabulary cannot be expanded yet"
        return [
            Finding("tokenizer_kind", "warning", sentence, "leave out the tokenizer stage, or start from a BPE model")
        ]
    style = "byte-level BPE" if tokenizer.byte_level else "character BPE"
    style += " with byte fallback" if model.get("byte_fallback") else ""
    return [Finding("tokenizer_kind", "ok", f"{style}, {len(tokenizer.ids):,} tokens")]


def ids(_folder: Path, _checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Look for ids that two tokens share and for added tokens that loading would renumber."""
    backend = {
        token: number for token in tokenizer.added if (number := tokenizer.backend.token_to_id(token)) is not None
    }
    moved = [token for token, number in tokenizer.added.items() if backend.get(token) != number]
    if moved:
        sentence = (
            f"{len(moved)} added tokens get another id when loaded ({moved[0]!r}: {tokenizer.added[moved[0]]:,} in "
        )
        sentence += f"the file, {backend.get(moved[0])} loaded)"
        return [Finding("token_ids", "error", sentence, "write the added tokens into model.vocab at their ids")]
    if len(tokenizer.names) < len(tokenizer.ids):
        lost = len(tokenizer.ids) - len(tokenizer.names)
        return [
            Finding("token_ids", "error", f"{lost} tokens share an id with another one", "download the tokenizer again")
        ]
    return [Finding("token_ids", "ok", f"{len(tokenizer.added):,} added tokens keep their ids when loaded")]


def special_tokens(folder: Path, checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Compare the special tokens of tokenizer, config and generation config."""
    settings, generation = read_json(folder / "tokenizer_config.json"), read_json(folder / "generation_config.json")
    problems = []
    named = {name: token_name(settings.get(name)) for name in NAMED}
    for name, token in named.items():
        if token is not None and token not in tokenizer.ids:
            problems.append(f"{name} {token!r} is not in the vocabulary")
    for place, values in (("config.json", checkpoint.text_config), ("generation_config.json", generation)):
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            problems += [
                f"{key} {number} of {place} is no token"
                for number in as_list(values.get(key))
                if number not in tokenizer.names and number >= 0
            ]
    if named["eos_token"] is None and not as_list(generation.get("eos_token_id")):
        problems.append("there is no end token, so generation never stops")
    if problems:
        fix = "name tokens of the vocabulary in tokenizer_config.json, config.json and generation_config.json"
        return [Finding("special_tokens", "error", problem, fix) for problem in problems]
    said = ", ".join(f"{name.removesuffix('_token')} {token!r}" for name, token in named.items() if token)
    return [Finding("special_tokens", "ok", said or "none are named")]


def round_trip(_folder: Path, _checkpoint: Checkpoint, tokenizer: FastTokenizer) -> list[Finding]:
    """Encode and decode one line in each of five scripts."""
    lost = []
    for script, text in SCRIPTS.items():
        encoded = tokenizer.backend.encode(text, add_special_tokens=False).ids
        if tokenizer.backend.decode(encoded, skip_special_tokens=False).strip() != text:
            lost.append(script)
    if lost:
        sentence = f"text in {', '.join(lost)} script does not come back as it was"
        fix = "text in these scripts loses characters: use a tokenizer with bytes or byte fallback"
        return [Finding("round_trip", "warning", sentence, fix)]
    return [Finding("round_trip", "ok", f"text in {len(SCRIPTS)} scripts comes back as it was")]


def token_name(value: Any) -> str | None:
    """Return a special token's text from the forms tokenizer_config.json writes it in."""
    return value.get("content") if isinstance(value, dict) else value


def as_list(value: Any) -> list[int]:
    """Return one id, several or none as a list."""
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def read_json(file: Path) -> dict[str, Any]:
    """Return a JSON object, empty when there is no such file."""
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}
