"""A low-rank adapter laid over its base model for measuring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from newtongue.core.errors import DataError, MissingExtra


def lay_over(model: Any, folder: Path) -> Any:
    """Return a model with an adapter merged into its weights, in memory.

    Args:
        model: The base model the adapter was trained on.
        folder: A PEFT directory: `adapter_config.json` and `adapter_model.safetensors`.

    Raises:
        DataError: The directory is no adapter, holds pickles, or does not fit the model.
        MissingExtra: peft is not installed.
    """
    if not (folder / "adapter_config.json").is_file():
        raise DataError("no adapter_config.json", place=str(folder), expected="a PEFT adapter directory")
    if not (folder / "adapter_model.safetensors").is_file():
        raise DataError(
            "no adapter_model.safetensors", place=str(folder), fix="save it again with safe_serialization=True"
        )
    try:
        from peft import PeftModel
    except ModuleNotFoundError:
        raise MissingExtra("peft", "train") from None
    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=False).merge_and_unload()
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"the adapter does not fit the model ({reason})", place=str(folder)) from None
