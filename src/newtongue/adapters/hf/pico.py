"""Tiny random models of the architectures people start from, made on demand: for tests and rehearsals.

Nothing is downloaded and nothing shipped: weights come from a seed, the tokenizer is trained on the shipped
English sample. A model has about a hundred thousand parameters and knows nothing.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3", "olmo2", "qwen3_moe")
"""Values of `model_type` that `make_pico` knows."""
TokenizerKind = Literal["byte_level", "sentencepiece"]
VOCABULARY = 384
ROWS_MULTIPLE = 8
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SENTENCEPIECE_SPECIALS = ("<unk>", "<s>", "</s>")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_pico(
    folder: Path,
    architecture: str = "llama",
    tokenizer: TokenizerKind = "byte_level",
    *,
    tied: bool = True,
    seed: int = 0,
    dtype: str = "float32",
    padding_rows: int = 0,
    chat_template: bool = True,
) -> Path:
    """Write a random tiny model with tokenizer into `folder` and return it.

    Args:
        folder: Where to write; made when it does not exist.
        architecture: One of `ARCHITECTURES`.
        tokenizer: `byte_level` like Llama-3 and Qwen, `sentencepiece` (BPE with byte fallback) like Llama-2.
        tied: Whether input and output embeddings are one matrix.
        seed: Seed of the weights.
        dtype: `float32`, `bfloat16` or `float16`.
        padding_rows: Rows of the embedding matrix beyond the last token, like Qwen ships them.
        chat_template: Whether the tokenizer has one (an instruct model) or not (a base model).
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from newtongue.adapters.hf.quiet import silence

    silence()
    folder.mkdir(parents=True, exist_ok=True)
    ids = write_pico_tokenizer(folder, tokenizer, chat_template=chat_template)
    rows = -(-(max(ids.values()) + 1) // ROWS_MULTIPLE) * ROWS_MULTIPLE + padding_rows
    config = _config(architecture, rows, ids, tied)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype))
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )
    model.save_pretrained(folder)
    return folder


def write_pico_tokenizer(folder: Path, kind: TokenizerKind, *, chat_template: bool = True) -> dict[str, int]:
    """Train and write a tokenizer of a few hundred tokens; return its ids."""
    text = files("newtongue").joinpath("assets/protected/english.txt").read_text("utf-8")
    made = _byte_level(text) if kind == "byte_level" else _sentencepiece(text)
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>" if kind == "byte_level" else "<s>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 512,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")
    if chat_template:
        (folder / "chat_template.jinja").write_text(CHATML, "utf-8")
    return dict(made.get_vocab())


def _byte_level(text: str) -> Tokenizer:
    made = Tokenizer(BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(
        text.splitlines(), BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def _sentencepiece(text: str) -> Tokenizer:
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(text.splitlines(), BpeTrainer(vocab_size=VOCABULARY - 128, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    tokens = [*SENTENCEPIECE_SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256)), *model["vocab"]]
    vocab = {token: number for number, token in enumerate(tokens)}
    merges = [tuple(pair) for pair in model["merges"]]
    made = Tokenizer(BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens(list(SENTENCEPIECE_SPECIALS))
    return made


def _config(architecture: str, rows: int, ids: dict[str, int], tied: bool) -> Any:
    from transformers import AutoConfig

    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown pico architecture {architecture!r}, one of {', '.join(ARCHITECTURES)}")
    shape: dict[str, Any] = {
        "vocab_size": rows,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": tied,
        "bos_token_id": ids.get("<s>", ids["<|endoftext|>"]),
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    extra: dict[str, dict[str, Any]] = {
        "gemma2": {"sliding_window": 512, "query_pre_attn_scalar": 16},
        "gemma3_text": {"sliding_window": 512, "query_pre_attn_scalar": 16},
        "mistral": {"sliding_window": None},
        "phi3": {"sliding_window": None},
        "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48},
    }
    return AutoConfig.for_model(architecture, **shape, **extra.get(architecture, {}))
