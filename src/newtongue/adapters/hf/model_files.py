"""The small files of a model directory: what travels with a tokenizer, and where a chat template is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

STALE = ("vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "tekken.json")
"""Other spellings of the vocabulary; they do not hold the new tokens, so they are not copied."""
COMPANIONS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "LICENSE",
)
"""Files that travel with a tokenizer unchanged."""


def copy_companions(source: Path, target: Path) -> None:
    """Copy the small files of a model directory that belong to its tokenizer and its way of generating."""
    for name in COMPANIONS:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    templates = source / "additional_chat_templates"
    if templates.is_dir():
        shutil.copytree(templates, target / templates.name, dirs_exist_ok=True)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy a whole tokenizer unchanged, its other spellings included."""
    for name in ("tokenizer.json", *STALE):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    copy_companions(source, target)


def template_of(folder: Path) -> str | None:
    """Return the chat template of a model directory, wherever it is kept; None when there is none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found = json.loads((folder / name).read_text("utf-8")).get("chat_template")
            if isinstance(found, list):
                found = next((item["template"] for item in found if item.get("name") == "default"), None)
            if isinstance(found, str) and found:
                return found
    return None


def copy_template(source: Path, target: Path) -> None:
    """Give a model directory the chat template and the generation settings of a sibling."""
    template = template_of(source)
    if template is None:
        return
    (target / "chat_template.jinja").write_text(template, "utf-8")
    if (source / "generation_config.json").is_file():
        shutil.copyfile(source / "generation_config.json", target / "generation_config.json")
