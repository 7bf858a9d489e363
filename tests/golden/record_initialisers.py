"""Record what published packages make of small inputs, for `tests/methods/test_initialisers_golden.py`.

    python tests/golden/record_initialisers.py focus      where deepfocus 1.0.1 and entmax 1.3 are installed
    python tests/golden/record_initialisers.py wechsel    where wechsel 0.0.4 is installed
    python tests/golden/record_initialisers.py zett       where `hf_hypernet` of bminixhofer/zett@6f8051a can be
                                                          imported and ./roberta-base holds that model's config

Each writes `tests/golden/initialisers_NAME.json`. Inputs come from seeds; only outputs are stored.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np

HERE = Path(__file__).resolve().parent
NEW, OLD, WIDTH, HIDDEN = 12, 60, 16, 5
TIES = [[0.5, 0.5, 0.5, 0.1], [1.0, 1.0, -1.0, -1.0], [3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]


def inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return auxiliary vectors of new and old tokens, and old rows."""
    rng = np.random.default_rng(7)
    new, old = (rng.standard_normal((n, WIDTH)).astype(np.float32) for n in (NEW, OLD))
    new += 0.8 * old[rng.integers(0, OLD, NEW)]
    return new, old, rng.standard_normal((OLD, HIDDEN)).astype(np.float32)


def words() -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Return word vectors of two languages, one turned and noisy, and a dictionary of rows."""
    rng = np.random.default_rng(8)
    source = rng.standard_normal((40, 6))
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    return source, source @ turn + 0.05 * rng.standard_normal((40, 6)), [(i, i) for i in range(0, 40, 2)]


def spelt_words() -> tuple[list[str], list[list[int]], list[float]]:
    """Return forty words, their tokens alone and behind a space (of 25 tokens), and how often each word occurs."""
    rng = np.random.default_rng(10)
    spelt = [rng.integers(0, 24, rng.integers(1, 5)).tolist() for _word in range(80)]
    return [f"word{n}" for n in range(40)], spelt, [float(1000 // rank) for rank in range(1, 41)]


def cased_dictionary() -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Return words of two languages in several cases, and a dictionary that names some of them in one case."""
    source = [form(f"w{chr(97 + n)}") for n in range(14) for form in (str.lower, str.title)] + ["wOO", "x", "y", "z"]
    target = [form(f"v{chr(97 + n)}") for n in range(14) for form in (str.title, str.upper)] + ["ب", "پ", "ت", "ث"]
    pairs = [(f"W{chr(97 + n)}", f"v{chr(97 + n)}") for n in range(0, 14, 2)] + [("x", "ب"), ("WB", "VB"), ("q", "ت")]
    return [*source, *map(str, range(8))], [*target, *map(str, range(8))], pairs


HYPERNETWORKS: dict[str, dict[str, object]] = {
    "one matrix": {},
    "two matrices": {"separate_out_embeddings": True},
    "two matrices, one head": {"separate_out_embeddings": True, "hn_single_head": True},
    "no scales": {"hn_rescale_embeddings": False, "separate_out_embeddings": True, "hn_n_extra_tokens": 3},
    "heads by width": {"hn_hidden_size": 128, "hn_num_attention_heads": None, "hn_n_layers": 1},
}
"""Name -> settings in which a hypernetwork differs from `HYPERNETWORK`."""
HYPERNETWORK: dict[str, object] = {
    **{"n_embd": 8, "hn_hidden_size": 16, "hn_intermediate_size": 24, "hn_num_attention_heads": 2, "hn_n_layers": 3},
    **{"hn_surface_maxlen": 5, "hn_embed_using_source_embeddings": True, "hn_rescale_embeddings": True},
    **{"hn_n_extra_tokens": 0, "hn_predict_bias": True, "hn_single_head": False, "separate_out_embeddings": False},
    **{"pad_token_id": 2, "original_vocab_size": OLD},
}
SPELLINGS = [[7, 3], [11], [4, 5, 6, 7, 8], [59, 0, 13], [9, 9, 9, 9, 9, 9, 9]]
"""Old ids of new tokens; the last are more than the network reads."""


def old_rows() -> np.ndarray:
    """Return rows of two matrices, (2, OLD, 8)."""
    return np.random.default_rng(11).standard_normal((2, OLD, 8)).astype(np.float32)


def weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """Return the weights of a hypernetwork that decide its rows, made from their names."""
    unused = ("bias_projection", "word_embeddings", "position_ids", "token_type_ids")
    named = {name: shape for name, shape in shapes.items() if not any(part in name for part in unused)}
    rngs = {name: np.random.default_rng(zlib.crc32(name.encode())) for name in named}
    scales = {name: any(part in name for part in ("LayerNorm.weight", "ln.weight", "scaler.w")) for name in named}
    drawn = {name: 0.4 * rngs[name].standard_normal(tuple(shape)) + scales[name] for name, shape in named.items()}
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def record_zett() -> dict[str, object]:
    import torch
    from hf_hypernet.configuration_hypernet import ZettHypernetConfig
    from hf_hypernet.modeling_hypernet import ZettHypernet

    found = {}
    for name, changed in HYPERNETWORKS.items():
        settings = {**HYPERNETWORK, **changed}
        network = ZettHypernet(ZettHypernetConfig(**settings, hn_model_name_or_path="./roberta-base")).eval()
        made = weights({key: value.shape for key, value in network.state_dict().items()})
        network.load_state_dict({key: torch.from_numpy(value) for key, value in made.items()}, strict=False)
        longest = int(settings["hn_surface_maxlen"])  # type: ignore[call-overload]
        forms = torch.full((len(SPELLINGS), longest), settings["pad_token_id"])
        for row, spelling in enumerate(SPELLINGS):
            forms[row, : len(spelling)] = torch.tensor(spelling[:longest])
        rows = np.concatenate(old_rows(), axis=1) if settings["separate_out_embeddings"] else old_rows()[0]
        with torch.no_grad():
            first, second, _bias = network(forms, source_embeddings=torch.from_numpy(rows))
        found[name] = {"input": first.tolist(), "head": None if second is None else second.tolist()}
    return found


def record_focus() -> dict[str, object]:
    import entmax
    import torch
    from deepfocus.focus import focus_additional_token_initialization

    new, old, rows = inputs()
    overlap = {
        str(i): SimpleNamespace(auxiliary_embedding=old[i], source_embedding=torch.tensor(rows[i])) for i in range(OLD)
    }
    fresh = {str(i): SimpleNamespace(auxiliary_embedding=new[i], target=SimpleNamespace(id=i)) for i in range(NEW)}
    made = focus_additional_token_initialization(overlap, fresh, torch.zeros(NEW, HIDDEN), device="cpu")
    scores = torch.tensor(np.random.default_rng(9).normal(0, 0.4, (6, 50)).astype(np.float32))
    return {
        "focus": made.tolist(),
        "sparsemax": entmax.sparsemax(scores, dim=1).tolist(),
        "ties": entmax.sparsemax(torch.tensor(TIES), dim=1).tolist(),
    }


def record_wechsel() -> dict[str, object]:
    from scipy.linalg import orthogonal_procrustes
    from wechsel import WECHSEL, create_target_embeddings, get_subword_embeddings_in_word_embedding_space

    new, old, rows = inputs()

    def names(ids: object) -> object:
        return str(ids) if np.isscalar(ids) else [str(i) for i in ids]  # type: ignore[attr-defined]

    class Tokenizer(dict):  # type: ignore[type-arg]
        special_tokens_map = MappingProxyType({})
        vocab = property(lambda self: self)
        convert_ids_to_tokens = staticmethod(names)

    def tokenizer(size: int) -> Tokenizer:
        return Tokenizer({str(i): i for i in range(size)})

    units = [v / (np.linalg.norm(v, axis=1)[:, np.newaxis] + 1e-8) for v in (old, new)]
    made, _missing, _sources = create_target_embeddings(
        units[0], units[1], tokenizer(OLD), tokenizer(NEW), rows.astype(np.float64), verbose=False
    )
    source, target, pairs = words()
    left, right = np.asarray(pairs).T
    matrix, _scale = orthogonal_procrustes(source[left], target[right])
    listed, spelt, often = spelt_words()
    model = SimpleNamespace(
        get_words_and_freqs=lambda: (listed, often),
        get_dimension=lambda: source.shape[1],
        get_word_vector=lambda word: source[listed.index(word)],
    )

    class Spelling(Tokenizer):
        def get_vocab(self) -> dict[str, int]:
            return dict(self)

        def encode(self, word: str, add_special_tokens: bool) -> list[int]:
            return spelt[listed.index(word.strip()) + 40 * word.startswith(" ")]

    pooled, _members = get_subword_embeddings_in_word_embedding_space(
        Spelling({str(i): i for i in range(25)}), model, use_subword_info=False, verbose=False
    )
    first, second, entries = cased_dictionary()

    def side(names: list[str], vectors: np.ndarray) -> SimpleNamespace:
        rows = {name: number for number, name in enumerate(names)}
        return SimpleNamespace(
            get_word_id=lambda word: rows.get(word, -1), get_word_vector=lambda word: vectors[rows[word]]
        )

    turn = WECHSEL._compute_align_matrix_from_dictionary(None, side(first, source), side(second, target), entries)
    return {
        "wechsel": made.tolist(),
        "aligned": (source @ matrix).tolist(),
        "pooled": pooled.tolist(),
        "cased": (source @ turn).tolist(),
    }


if __name__ == "__main__":
    name = sys.argv[1]
    found = {"focus": record_focus, "wechsel": record_wechsel, "zett": record_zett}[name]()
    (HERE / f"initialisers_{name}.json").write_text(json.dumps(found) + "\n", "utf-8")
