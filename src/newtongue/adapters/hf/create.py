"""Making a model from nothing: a byte-level BPE tokenizer and a Llama with random weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from newtongue.adapters.hf.quiet import silence

END_OF_TEXT, TURN_START, TURN_END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How text is cut before merging: Llama 3's expression, with combining marks kept beside their letters."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, out: Path, *, max_positions: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer and save it; ids 0-2 are the end-of-text and the two turn tokens.

    Args:
        texts: Documents to learn from.
        vocabulary: Tokens in all, special ones and the 256 bytes included.
        out: Folder for `tokenizer.json` and `tokenizer_config.json`.
        max_positions: Longest sequence, written into the tokenizer's config.

    Source: Sennrich et al. 2016 (arXiv 1508.07909) over bytes as in Radford et al. 2019.
    """
    silence()
    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START, TURN_END],
        clean_up_tokenization_spaces=False,
        model_max_length=max_positions,
    )
    wrapped.save_pretrained(out)
    return wrapped


def create_llama(
    *,
    rows: int,
    hidden_size: int,
    layers: int,
    heads: int,
    intermediate_size: int,
    max_positions: int,
    tied: bool,
    end_of_text: int,
    seed: int,
) -> LlamaForCausalLM:
    """Return a Llama with weights drawn from N(0, 0.02) under a seed, in float32.

    The output projections of attention and feed-forward are scaled down by sqrt(2 layers).

    Source: Touvron et al. 2023 (arXiv 2302.13971) for the architecture; Radford et al. 2019 for the scaling.
    """
    config = LlamaConfig(
        vocab_size=rows,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=max_positions,
        tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=None,
        eos_token_id=end_of_text,
        pad_token_id=None,
        dtype="bfloat16",
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.mul_((2 * layers) ** -0.5)
    return model
