"""Keep the model libraries silent and offline from telemetry; a stage speaks only through its context."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

from transformers.utils import logging as transformers_logging


def silence() -> None:
    """Turn off progress bars and everything below errors of transformers."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
