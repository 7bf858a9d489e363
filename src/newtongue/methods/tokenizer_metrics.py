"""How well a vocabulary serves a language, beside fertility: parity, spread of use, chance of being learnt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

RENYI_ORDER = 2.5


def renyi_efficiency(uses: Iterable[int], order: float = RENYI_ORDER) -> float:
    """Return the Rényi entropy of token use over its maximum, in [0, 1]: 1 when all tokens are used equally often.

    Args:
        uses: How often each token is used; unused ones do not count.
        order: Order of the entropy, not 1; higher ones punish very frequent tokens more.

    Example:
        >>> renyi_efficiency([3, 3, 3])
        1.0

    Source: Zouhar et al. 2023 (arXiv 2306.16842), section 4.3, order 2.5. Values shown beside `power=2.5` in the
        README of the `tokenization-scorer` package belong to order 3; the package itself agrees with this function.
    """
    counts = [count for count in uses if count > 0]
    if len(counts) < 2:
        return 0.0
    total = sum(counts)
    entropy = math.log(sum((count / total) ** order for count in counts)) / (1 - order)
    return entropy / math.log(len(counts))


def parity(tokens: int, reference_tokens: int) -> float:
    """Return how many tokens a language takes for what the reference says with one; 0 when there is no reference.

    Args:
        tokens: Tokens of some texts.
        reference_tokens: Tokens of the same texts in the reference language.

    Example:
        >>> parity(300, 200)
        1.5

    Source: Petrov et al. 2023 (arXiv 2305.15425), the tokenization premium.
    """
    return tokens / reference_tokens if reference_tokens else 0.0


def updates(uses: Sequence[int], passes: float, enough: int) -> Mapping[str, float | int]:
    """Return how often training will meet the new tokens.

    Args:
        uses: Uses of each new token in the training text.
        passes: How often training goes through the text.
        enough: Updates a token needs to be learnt.

    Example:
        >>> updates([1, 20, 30], passes=4, enough=50)
        {'fewest': 4.0, 'median': 80.0, 'rare_tokens': 1}

    Source: own; that tokens seen too rarely stay behind is shown by Land and Bartolo 2024 (arXiv 2405.05417).
    """
    met = sorted(count * passes for count in uses)
    if not met:
        return {"fewest": 0.0, "median": 0.0, "rare_tokens": 0}
    return {
        "fewest": float(met[0]),
        "median": float(met[len(met) // 2]),
        "rare_tokens": sum(count < enough for count in met),
    }
