"""Self-Instruct's two later steps: the lists it reads instructions from, and the instances of an instruction.

Source: Wang et al. 2023 (arXiv 2212.10560), sections 2.2 and 2.3, and their released filters.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

MAX_INSTANCES: Final = 5
"""Instances taken of one instruction."""
_NUMBERED = re.compile(r"^[ \t]*\d+[.)][ \t]*", re.MULTILINE)
_EXAMPLE = re.compile(r"^[ \t]*Example[ \t]*\d*[.:]?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_OUTPUT = re.compile(r"^[ \t]*Output[ \t]*:", re.MULTILINE | re.IGNORECASE)
_INPUT = re.compile(r"^[ \t]*Input[ \t]*:", re.MULTILINE | re.IGNORECASE)
_LABEL = re.compile(r"^[ \t]*Class label[ \t]*:", re.MULTILINE | re.IGNORECASE)


def list_tasks(instructions: Sequence[str]) -> str:
    r"""Return instructions as a numbered list, one per line.

    Example:
        >>> list_tasks(["Name a fruit.", "Say hello."])
        '1. Name a fruit.\n2. Say hello.'
    """
    return "\n".join(f"{number}. {' '.join(text.split())}" for number, text in enumerate(instructions, 1))


def parse_list(text: str) -> list[str]:
    r"""Return the instructions of an answer that continues such a list.

    Example:
        >>> parse_list(" Name a river.\n10. Name a hill.\n11.")
        ['Name a river.', 'Name a hill.']
    """
    return [" ".join(part.split()) for part in _NUMBERED.split(text) if part.strip()]


def parse_input_first(text: str) -> list[tuple[str, str]]:
    r"""Return (input, output) of each example written input first; an example without a label is an output alone.

    Example:
        >>> parse_input_first("Example 1\nInput: 2\nOutput: 4\nExample 2\nOutput: 5")
        [('2', '4'), ('', '5')]
    """
    found = []
    for block in (part for part in _EXAMPLE.split(text) if part.strip()):
        before, _, after = _split(_OUTPUT, block)
        found.append((_INPUT.sub("", before, count=1).strip(), after.strip()))
    return found


def parse_output_first(text: str) -> list[tuple[str, str]]:
    r"""Return (input, class label) of each example written label first.

    Example:
        >>> parse_output_first("Class label: good\nInput: I like it.\nClass label: bad\nInput: No.")
        [('I like it.', 'good'), ('No.', 'bad')]
    """
    found = []
    for block in (part for part in _LABEL.split(text) if part.strip()):
        label, _, given = _split(_INPUT, block)
        found.append((given.strip(), label.strip()))
    return found


def sift_instances(instances: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return (input, output, reason) of each instance; the reason is "" for those to keep.

    An input with two different outputs drops all of them; so do an output that is empty or equals its input, and an
    input or output that ends in a colon. Repetitions and more than `MAX_INSTANCES` are dropped one by one.

    Example:
        >>> [reason for _, _, reason in sift_instances([("a", "b"), ("a", "c"), ("d", "d"), ("e", "f")])]
        ['same input, other output', 'same input, other output', 'output is the input', '']
    """
    outputs = defaultdict(set)
    for given, output in instances:
        outputs[given].add(output)
    done: list[tuple[str, str, str]] = []
    for given, output in instances:
        reason = ""
        if len(outputs[given]) > 1:
            reason = "same input, other output"
        elif not output:
            reason = "empty instruction or output"
        elif given == output:
            reason = "output is the input"
        elif given.endswith(":") or output.endswith(":"):
            reason = "ends in a colon"
        elif (given, output, "") in done:
            reason = "repeated instance"
        elif sum(not why for _, _, why in done) >= MAX_INSTANCES:
            reason = "more instances than wanted"
        done.append((given, output, reason))
    return done


def _split(pattern: re.Pattern[str], block: str) -> tuple[str, str, str]:
    match = pattern.search(block)
    return (block[: match.start()], match[0], block[match.end() :]) if match else ("", "", block)
