"""Where an answer begins among the tokens of prompt and answer together.

A tokenizer may put the end of a prompt and the beginning of an answer into one token; with an expanded vocabulary,
and in scripts without spaces, it often does. Encoding the prompt alone and counting its tokens then cuts at the wrong
place, or leaves nothing to score. Here prompt and answer are encoded together, once, and the offsets say where the
answer begins. Where a token reaches across, scoring begins with that token, for all answers of a question alike:
what they share of it then adds the same to each.

Source: the cut follows lm-evaluation-harness (api/model.py, `_encode_pair`) wherever no token reaches across; there
    it raises an assertion or mis-splits (its issues 1053, 1297, 3336).
"""

from __future__ import annotations

from collections.abc import Sequence

Offsets = Sequence[tuple[int, int]]


def moved_spaces(prompt: str, answer: str) -> tuple[str, str]:
    """Return prompt and answer with white space at the prompt's end moved to the answer, where tokens carry it.

    Example:
        >>> moved_spaces("Answer: ", "C")
        ('Answer:', ' C')
    """
    kept = prompt.rstrip()
    return kept, prompt[len(kept) :] + answer


def answer_start(offsets: Offsets, join: int) -> tuple[int, bool]:
    """Return the first token of the answer, and whether it is one that also holds the end of the prompt.

    Args:
        offsets: First character and character after the last of every token, as tokenizers report them; the space
            before a word may be missing from them and belongs to the word's token.
        join: Character at which the answer begins.

    Returns:
        Index of the token, the number of tokens when none belongs to the answer; and whether it spans the join.

    Example:
        >>> answer_start([(0, 6), (6, 7), (8, 9)], 7), answer_start([(0, 6), (6, 9)], 7)
        ((2, False), (1, True))
    """
    place = len(offsets)
    while place > 0:
        begin, end = offsets[place - 1]
        covered = offsets[place - 2][1] if place > 1 else 0
        if min(begin, covered) < join:
            return (place - 1, True) if end > join else (place, False)
        place -= 1
    return 0, False


def common_start(rows: Sequence[Sequence[int]], starts: Sequence[int], spanning: Sequence[bool]) -> list[int]:
    """Return from which token each answer of one question is scored.

    Args:
        rows: Token ids of prompt and answer, per answer.
        starts: What `answer_start` found for each.
        spanning: Whether that token spans the join.

    Returns:
        `starts` as they are when no token spans; else one boundary for all, at which all have spelt the same text.

    Example:
        >>> common_start([[5, 6, 9], [5, 7, 8]], [2, 1], [False, True])
        [1, 1]
    """
    if not any(spanning):
        return list(starts)
    first = min(starts)
    for place, ids in enumerate(zip(*(row[:first] for row in rows), strict=True)):
        if len(set(ids)) > 1:
            return [place] * len(rows)
    return [first] * len(rows)
