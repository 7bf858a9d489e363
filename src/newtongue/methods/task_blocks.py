"""Tasks as numbered blocks of text: `###`, then an instruction, an input and an output under their labels.

The form in which Alpaca and Alif show exemplars and read answers. The published readers lose rows in three ways that
this one does not repeat: a stop string `20.` cut every answer that held the number, a label spelt `Answer` dropped
its task, and an output with a heading of its own broke the split.
Source: Taori et al. 2023 (Stanford Alpaca, generate_instruction.py); Alif (arXiv 2510.09051), section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from newtongue.methods.self_instruct import Item

NO_INPUT: Final = "<noinput>"
OUTPUT_LABELS: Final = ("output", "answer", "response")
"""Labels under which the last field is accepted."""
_LABEL = re.compile(
    r"^[ \t]*(?:\d+[.)][ \t]*)?(Instruction|Input|Output|Answer|Response)[ \t]*:[ \t]*", re.MULTILINE | re.IGNORECASE
)
_BORDER = re.compile(r"^[ \t]*###[ \t]*(?=$|\d+[.)]|Instruction)", re.MULTILINE)


def write_blocks(tasks: Sequence[Mapping[str, Any]], first: int = 1) -> str:
    """Return tasks as numbered blocks.

    Args:
        tasks: Objects with `instruction`, `input` and `output`.
        first: Number of the first one.

    Example:
        >>> print(write_blocks([{"instruction": "Add 1 and 2.", "input": "", "output": "3"}]))
        ###
        1. Instruction: Add 1 and 2.
        1. Input:
        <noinput>
        1. Output:
        3
    """
    return "\n".join(
        f"###\n{n}. Instruction: {task['instruction']}\n{n}. Input:\n{task.get('input') or NO_INPUT}\n"
        f"{n}. Output:\n{task['output']}"
        for n, task in enumerate(tasks, first)
    )


def parse_blocks(text: str, *, cut_off: bool) -> list[Item]:
    r"""Return the tasks of an answer in order; what is no task becomes an item with a `problem`.

    Args:
        text: What follows the prompt's last, open `Instruction:`.
        cut_off: Whether the answer hit its length limit; the last block is then given up, as it may be half.

    Example:
        >>> [item.output for item in parse_blocks(" a\nInput:\n<noinput>\nAnswer:\n20. b", cut_off=False)]
        ['20. b']
    """
    if not text.strip():
        return [Item(problem="empty answer")]
    blocks = [block for block in _BORDER.split(text) if block.strip()]
    if (blocks and not (match := _LABEL.search(blocks[0]))) or (match and match[1].lower() != "instruction"):
        blocks[0] = f"Instruction: {blocks[0].lstrip()}"
    items = [_item(block) for block in blocks]
    if cut_off:
        items[-1] = Item(problem="answer cut off")
    return items


def _item(block: str) -> Item:
    """Return the task of one block: the first label of each kind, in order; a second instruction is a lost border."""
    pieces = _LABEL.split(block)
    labels = [label.lower() for label in pieces[1::2]]
    if labels.count("instruction") > 1:
        return Item(problem="two tasks in one block")
    if labels[:2] != ["instruction", "input"] or len(labels) < 3 or labels[2] not in OUTPUT_LABELS:
        return Item(problem="a label is missing")
    rest = block[[match.end() for match in _LABEL.finditer(block)][2] :]
    instruction, given, output = pieces[2].strip(), pieces[4].strip(), rest.strip()
    given = "" if given.lower().strip(" .") == NO_INPUT else given
    if not instruction or not output:
        return Item(instruction, given, output, problem="empty instruction or output")
    return Item(instruction, given, output)
