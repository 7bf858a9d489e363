"""Rows predicted by a trained hypernetwork from the old rows of each token's pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from newtongue.adapters.hf.vector_math import settle_vector_math
from newtongue.core.errors import DataError

Floats = NDArray[np.float32]
BATCH = 256
UNSUPPORTED = {
    "hn_embed_lang_id": "an embedding of the language",
    "hn_add_inter_token_attention": "attention between tokens",
    "hn_embed_target_priors": "token priors",
    "hn_concat_last_hidden_state": "the states of all pieces together",
}


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predicted rows.

    Attributes:
        input: Input rows, (N, D).
        head: Output rows, (N, D); the input rows where the network predicts one kind.
        cut: Tokens with more pieces than the network reads; the rest of their pieces was left out.
    """

    input: Floats
    head: Floats
    cut: int


def predict_rows(
    folder: Path, pieces: Sequence[Sequence[int]], rows_of: Callable[[NDArray[np.int64], bool], Floats]
) -> Predicted:
    """Run a hypernetwork over the pieces of each new token.

    Args:
        folder: Its folder: `config.json` and `model.safetensors` as published.
        pieces: Old ids that spell each new token.
        rows_of: Gives rows of the input matrix, or of the output matrix when its second argument is true.

    Raises:
        DataError: It is no hypernetwork of this kind, was trained for another width, or needs what we do not give.

    Source: Minixhofer, Ponti, Vulić 2024, zero-shot tokenizer transfer (arXiv 2405.07883, section 3); layout of the
    published checkpoints. Differs: a token's pieces are those of its merges, with no second tokenisation.
    """
    network = _load(folder)
    config = network.settings
    width = int(config["n_embd"])
    ids = np.unique(np.asarray([i for spelling in pieces for i in spelling], np.int64))
    source = rows_of(ids, False)
    if config.get("separate_out_embeddings"):
        source = np.concatenate([source, rows_of(ids, True)], axis=1)
    if source.shape[1] != network.width_in:
        raise DataError(
            f"the hypernetwork reads rows of {network.width_in} values, the model's have {source.shape[1]}",
            place=str(folder),
            fix="use the hypernetwork that was trained for this model",
        )
    longest = int(config.get("hn_surface_maxlen", 16))
    forms = np.full((len(pieces), longest), -1)
    for number, spelling in enumerate(pieces):
        forms[number, : len(spelling)] = np.searchsorted(ids, spelling[:longest])
    with torch.no_grad():
        made = [network(torch.from_numpy(some), torch.from_numpy(source)) for some in _batches(forms)]
    predicted = torch.cat(made).numpy() if made else np.zeros((0, network.width_in), np.float32)
    head = predicted[:, width:] if predicted.shape[1] > width else predicted
    return Predicted(predicted[:, :width], head, sum(len(spelling) > longest for spelling in pieces))


def _batches(forms: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [forms[start : start + BATCH] for start in range(0, len(forms), BATCH)]


def _load(folder: Path) -> Hypernetwork:
    from safetensors.torch import load_file

    settle_vector_math()
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
        stored = load_file(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise DataError(f"no hypernetwork can be read here ({error})", place=str(folder)) from None
    wanted = [what for key, what in UNSUPPORTED.items() if settings.get(key)]
    if wanted or not settings.get("hn_embed_using_source_embeddings") or "n_embd" not in settings:
        raise DataError(
            f"the hypernetwork works with {wanted[0] if wanted else 'embeddings of its own'}, which is not supported",
            place=str(folder),
            expected="hn_embed_using_source_embeddings, each token on its own, its row read from the first piece",
        )
    network = Hypernetwork(settings)
    missing, unexpected = network.load_state_dict(stored, strict=False)
    lost = [name for name in missing if "word_embeddings" not in name and "position_ids" not in name]
    if lost or [name for name in unexpected if not name.startswith("bias_projection")]:
        raise DataError(f"the stored weights do not fit the config ({[*lost, *unexpected][0]})", place=str(folder))
    return network.eval()


class _Rescaler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.ones(1, width)), nn.Parameter(torch.zeros(1, width))

    def forward(self, values: Tensor) -> Tensor:
        return self.w * values + self.b


class _Projector(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.dense1, self.dense2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, values: Tensor) -> Tensor:
        inner = functional.gelu(self.dense1(values), approximate="tanh")
        return self.ln(functional.gelu(self.dense2(inner), approximate="tanh") + values)  # type: ignore[no-any-return]


class Hypernetwork(nn.Module):
    """The published architecture: a small RoBERTa over rows of pieces, projections before and after it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Build it from the fields of its `config.json`."""
        super().__init__()
        self.settings = settings
        width, hidden = int(settings["n_embd"]), int(settings["hn_hidden_size"])
        inner, separate = int(settings["hn_intermediate_size"]), bool(settings.get("separate_out_embeddings"))
        self.width_in = width * 2 if separate else width
        self.model = _encoder(settings, hidden, inner)
        self.fallback_embeddings = nn.Embedding(max(int(settings.get("hn_n_extra_tokens") or 0), 1), self.width_in)
        self.input_projection = nn.Sequential(nn.Linear(self.width_in, hidden), _Projector(hidden, inner))
        single = bool(settings.get("hn_single_head"))
        out = self.width_in if single else width
        self.output_projection = nn.Sequential(_Projector(hidden, inner), nn.Linear(hidden, out))
        if separate and not single:
            self.output_projection_out = nn.Sequential(_Projector(hidden, inner), nn.Linear(hidden, width))
        if settings.get("hn_rescale_embeddings"):
            self.in_scaler, self.scaler = _Rescaler(self.width_in), _Rescaler(width)
            if separate:
                self.out_scaler = _Rescaler(width)

    def forward(self, forms_BL: Tensor, source_SD: Tensor) -> Tensor:
        """Return the input rows and, where the network has them, the output rows beside them.

        Args:
            forms_BL: Row of `source_SD` of each piece, -1 behind the last.
            source_SD: Old rows.
        """
        real = forms_BL >= 0
        rows = source_SD[forms_BL.clamp(min=0)]
        if hasattr(self, "in_scaler"):
            rows = self.in_scaler(rows)
        rows = torch.where(real[..., None], rows, self.fallback_embeddings.weight[0])
        places = torch.arange(forms_BL.shape[1]).expand_as(forms_BL)
        states = self.model(
            inputs_embeds=self.input_projection(rows), attention_mask=real.long(), position_ids=places
        ).last_hidden_state
        states = states[:, 0]
        made = [self.output_projection(states)]
        if hasattr(self, "output_projection_out"):
            made.append(self.output_projection_out(states))
        return self._rescaled(torch.cat(made, 1))

    def _rescaled(self, made: Tensor) -> Tensor:
        if not hasattr(self, "scaler"):
            return made
        width = int(self.settings["n_embd"])
        parts = [self.scaler(made[:, :width])]
        return torch.cat([*parts, self.out_scaler(made[:, width:])] if made.shape[1] > width else parts, 1)


def _encoder(settings: dict[str, Any], hidden: int, inner: int) -> Any:
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=int(settings.get("pad_token_id") or 0) + 1,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=int(settings.get("hn_n_layers", 3)),
        num_attention_heads=int(settings.get("hn_num_attention_heads") or max(1, hidden // 64)),
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=0,
    )
    return RobertaModel(config, add_pooling_layer=False)
