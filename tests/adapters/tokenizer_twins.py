"""Small tokenizers with the structure of real ones: the same components, classes, special tokens and habits.

No download is needed: each is trained on the shipped English sample, then written the way the real one is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import BPE, Unigram
from tokenizers.trainers import BpeTrainer, UnigramTrainer

SIZE = 512
GPT2_SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
)
LLAMA3_CHAT = (
    "<|begin_of_text|>{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
)
LLAMA2_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<s>[INST] {{ message['content'] }} [/INST]"
    "{% elif message['role'] == 'system' %}{{ raise_exception('no system turns') }}"
    "{% else %} {{ message['content'] }} </s>{% endif %}{% endfor %}"
)
GEMMA_CHAT = (
    "<bos>{% for message in messages %}<start_of_turn>{{ message['role'] }}\n{{ message['content'] }}"
    "<end_of_turn>\n{% endfor %}"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
BYTE_LEVEL_REGEX = {**BYTE_LEVEL, "use_regex": True}
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TO_SPACE = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
TO_MARK = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


def write_twin(folder: Path, style: str) -> Path:
    """Write the tokenizer files of a style into a folder; return the folder."""
    content, settings, template = STYLES[style]()
    folder.mkdir(parents=True, exist_ok=True)
    frame = {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None}
    (folder / "tokenizer.json").write_text(json.dumps({**frame, **content}, ensure_ascii=False), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2), "utf-8")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    return folder


def gpt2() -> tuple[dict[str, Any], dict[str, Any], str]:
    """GPT-2: the regex inside ByteLevel, merges as strings, the only special token inside the vocabulary."""
    model = _byte_level(GPT2_SPLIT)
    model["vocab"]["<|endoftext|>"] = len(model["vocab"])
    model["merges"] = [" ".join(pair) for pair in model["merges"]]
    content = {
        "added_tokens": [_added("<|endoftext|>", model["vocab"]["<|endoftext|>"])],
        "pre_tokenizer": BYTE_LEVEL_REGEX,
        "post_processor": BYTE_LEVEL_REGEX,
        "decoder": BYTE_LEVEL_REGEX,
        "model": {**model, "continuing_subword_prefix": "", "end_of_word_suffix": ""},
    }
    return content, _settings("GPT2Tokenizer", "<|endoftext|>", "<|endoftext|>"), "{{ messages[0]['content'] }}"


def smollm2() -> tuple[dict[str, Any], dict[str, Any], str]:
    """SmolLM2: digits one by one, special tokens first in the vocabulary."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"]
    model = _byte_level(GPT2_SPLIT)
    model["vocab"] = {token: number for number, token in enumerate([*specials, *model["vocab"]])}
    content = {
        "added_tokens": [_added(token, number) for number, token in enumerate(specials)],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL_REGEX],
        },
        "decoder": BYTE_LEVEL_REGEX,
        "model": model,
    }
    return content, _settings("GPT2Tokenizer", "<|im_start|>", "<|im_end|>"), CHATML


def llama3() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Llama-3: `ignore_merges`, special tokens behind the vocabulary only, a post-processor that opens texts."""
    model = _byte_level(LLAMA3_SPLIT)
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    names += [f"<|reserved_special_token_{number}|>" for number in range(11)]
    first = len(model["vocab"])
    content = {
        "added_tokens": [_added(token, first + k) for k, token in enumerate(names)],
        "pre_tokenizer": _split(LLAMA3_SPLIT),
        "post_processor": {"type": "Sequence", "processors": [BYTE_LEVEL, _opening("<|begin_of_text|>", first)]},
        "decoder": BYTE_LEVEL_REGEX,
        "model": {**model, "ignore_merges": True},
    }
    return content, _settings("PreTrainedTokenizerFast", "<|begin_of_text|>", "<|eot_id|>"), LLAMA3_CHAT


def qwen25() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Qwen2.5: NFC, special tokens behind the vocabulary only, some of them not special."""
    model = _byte_level(QWEN_SPLIT)
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
    first = len(model["vocab"])
    content = {
        "added_tokens": [
            {**_added(token, first + k), "special": not token.startswith(("<t", "</"))} for k, token in enumerate(names)
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": _split(QWEN_SPLIT),
        "post_processor": BYTE_LEVEL,
        "decoder": BYTE_LEVEL,
        "model": {**model, "continuing_subword_prefix": "", "end_of_word_suffix": "", "ignore_merges": False},
    }
    return content, _settings("Qwen2Tokenizer", None, "<|im_end|>"), CHATML


def llama2() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Llama-2: no pre-tokenizer, byte fallback, every way to split a token is a merge."""
    vocab, merges = _sentencepiece(["<unk>", "<s>", "</s>", *BYTES], all_merges=True)
    content = {
        "added_tokens": [_added(token, vocab[token]) for token in ("<unk>", "<s>", "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, TO_MARK]},
        "pre_tokenizer": None,
        "post_processor": _opening("<s>", vocab["<s>"]),
        "decoder": _sentencepiece_decoder(strip=1),
        "model": _bpe(vocab, merges),
    }
    return content, _settings("LlamaTokenizer", "<s>", "</s>"), LLAMA2_CHAT


def mistral() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Mistral v0.3: Metaspace that does not split, control tokens inside the vocabulary."""
    control = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]"]
    vocab, merges = _sentencepiece([*control, *BYTES])
    content = {
        "added_tokens": [_added(token, vocab[token]) for token in control],
        "pre_tokenizer": {**METASPACE, "prepend_scheme": "first", "split": False},
        "post_processor": _opening("<s>", vocab["<s>"]),
        "decoder": _sentencepiece_decoder(strip=1),
        "model": _bpe(vocab, merges),
    }
    return content, _settings("LlamaTokenizer", "<s>", "</s>"), LLAMA2_CHAT


def gemma() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Gemma: nothing is put in front, runs of spaces and line ends are tokens, unused names fill the start."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<unused0>", "<start_of_turn>", "<end_of_turn>"]
    runs = ["\n", "\n\n", "▁▁", "▁▁▁▁"]
    vocab, merges = _sentencepiece([*specials, *runs, *BYTES])
    content = {
        "added_tokens": [_added(token, vocab[token]) for token in specials]
        + [{**_added(token, vocab[token]), "special": False} for token in runs],
        "normalizer": TO_MARK,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": _opening("<bos>", vocab["<bos>"]),
        "decoder": _sentencepiece_decoder(strip=0),
        "model": _bpe(vocab, merges),
    }
    return content, {**_settings("GemmaTokenizer", "<bos>", "<end_of_turn>"), "pad_token": "<pad>"}, GEMMA_CHAT


def unigram() -> tuple[dict[str, Any], dict[str, Any], str]:
    """Unigram with byte fallback: ids are places in a list, further tokens stand behind it (as in T5 and XGLM)."""
    return _unigram(BYTES, byte_fallback=True)


def unigram_unknown() -> tuple[dict[str, Any], dict[str, Any], str]:
    """The same without byte fallback: letters it has not seen are unknown."""
    return _unigram([], byte_fallback=False)


def _unigram(extra: list[str], *, byte_fallback: bool) -> tuple[dict[str, Any], dict[str, Any], str]:
    trained = Tokenizer(Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = UnigramTrainer(vocab_size=SIZE - 256, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    trained.train_from_iterator(_lines(), trainer)
    pieces = json.loads(trained.to_str())["model"]["vocab"][1:]
    control = ["<unk>", "<s>", "</s>", "<pad>"]
    vocab = [*([token, 0.0] for token in [*control, *extra]), *sorted(pieces, key=lambda item: (-item[1], item[0]))]
    behind = ["<mask>", "<extra_0>"]
    content = {
        "added_tokens": [_added(token, number) for number, token in enumerate(control)]
        + [_added(token, len(vocab) + k) for k, token in enumerate(behind)],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": METASPACE,
        "post_processor": _opening("<s>", 1),
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, METASPACE]} if extra else METASPACE,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": byte_fallback},
    }
    return content, {**_settings("PreTrainedTokenizerFast", "<s>", "</s>"), "unk_token": "<unk>"}, LLAMA2_CHAT


STYLES: dict[str, Callable[[], tuple[dict[str, Any], dict[str, Any], str]]] = {
    made.__name__: made for made in (gpt2, smollm2, llama3, qwen25, llama2, mistral, gemma, unigram, unigram_unknown)
}
BYTE_LEVEL_STYLES = ("gpt2", "smollm2", "llama3", "qwen25")
SENTENCEPIECE_STYLES = ("llama2", "mistral", "gemma")
UNIGRAM_STYLES = ("unigram", "unigram_unknown")


def _lines() -> list[str]:
    return files("newtongue").joinpath("assets/protected/english.txt").read_text("utf-8").splitlines()


@cache
def _trained(split: str | None) -> str:
    made = Tokenizer(BPE())
    if split is None:
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = BpeTrainer(vocab_size=SIZE - 256, show_progress=False)
    else:
        parts = [
            pre_tokenizers.Split(Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
        made.pre_tokenizer = pre_tokenizers.Sequence(parts)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(_lines(), trainer)
    return made.to_str()


def _byte_level(split: str) -> dict[str, Any]:
    found = json.loads(_trained(split))["model"]
    return {"type": "BPE", "unk_token": None, "dropout": None, "vocab": found["vocab"], "merges": found["merges"]}


def _sentencepiece(front: list[str], *, all_merges: bool = False) -> tuple[dict[str, int], list[list[str]]]:
    found = json.loads(_trained(None))["model"]
    vocab = {token: number for number, token in enumerate(dict.fromkeys([*front, *found["vocab"]]))}
    if not all_merges:
        return vocab, found["merges"]
    ways = [
        [token[:at], token[at:]]
        for token in vocab
        if token not in front
        for at in range(1, len(token))
        if token[:at] in vocab and token[at:] in vocab
    ]
    return vocab, ways


def _bpe(vocab: dict[str, int], merges: list[list[str]]) -> dict[str, Any]:
    flags = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "dropout": None}
    return {"type": "BPE", **flags, "vocab": vocab, "merges": merges}


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, BYTE_LEVEL]}


def _opening(token: str, number: int) -> dict[str, Any]:
    own, first, second = ({"SpecialToken": {"id": token, "type_id": 0}}, _part("A", 0), _part("B", 1))
    return {
        "type": "TemplateProcessing",
        "single": [own, first],
        "pair": [own, first, {"SpecialToken": {"id": token, "type_id": 1}}, second],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }


def _part(name: str, kind: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": kind}}


def _sentencepiece_decoder(strip: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [TO_SPACE, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if strip:
        parts.append({"type": "Strip", "content": " ", "start": strip, "stop": 0})
    return {"type": "Sequence", "decoders": parts}


def _added(token: str, number: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **flags, "special": True}


def _settings(name: str, bos: str | None, eos: str) -> dict[str, Any]:
    found = {"tokenizer_class": name, "eos_token": eos, "model_max_length": 2048, "clean_up_tokenization_spaces": False}
    return {**found, **({"bos_token": bos} if bos else {})}
