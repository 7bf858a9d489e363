"""Self-Instruct: prompts built from seed tasks, and the reading of what a teacher wrote.

A prompt shows seed tasks of one type, names rows already written, may carry a document, and asks for a JSON array.
The wording is data. `build_messages` and `read_ask` are each other's inverse, so a stand-in teacher needs nothing
but the prompt.
Source: Wang et al. 2023 (Self-Instruct, arXiv 2212.10560); per-type prompts after Alif (arXiv 2510.09051). We differ
in one type per prompt, exemplars from seeds only, and a structured answer instead of numbered text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.methods.prompts import fill, read

_TEXT = re.compile(r'^<text language="([^"]*)">\n(.*?)\n</text>$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ask:
    """What one prompt asks for.

    Attributes:
        task: Task type (`qa`).
        language: English name of the language.
        tag: Its tag (`urd_Arab`).
        count: Tasks to write.
        max_characters: Longest answer in characters.
        exemplars: Seed tasks shown: `instruction`, `input`, `output`, and `labels` where the seed has them.
        written: Instructions already written, to be avoided.
        texts: (tag, text) of the document the tasks are to be grounded on; translations of it follow.
    """

    task: str
    language: str
    tag: str
    count: int
    max_characters: int
    exemplars: Sequence[Mapping[str, Any]]
    written: Sequence[str] = ()
    texts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One task a teacher wrote, or a piece that is none.

    Attributes:
        instruction: What is asked.
        input: Material it is asked about; may be empty.
        output: The answer.
        problem: Why the piece cannot be used, or "".
    """

    instruction: str = ""
    input: str = ""
    output: str = ""
    problem: str = ""

    @property
    def question(self) -> str:
        """Instruction and input as the user's turn shows them."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


def build_messages(ask: Ask, texts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the chat messages of one request.

    Args:
        ask: What is asked for.
        texts: The prompt as data: `head` with slots, `rules` by task type, and the lines `examples`, `written` and
            `grounding` that stand over what follows.

    Example:
        >>> ask = Ask("qa", "Urdu", "urd_Arab", 2, 300, [{"instruction": "a", "input": "", "output": "b"}])
        >>> head = "{count} of {task}, {name}, in {language}, at most {characters}"
        >>> texts = {"head": head, "rules": {}, "examples": "E:", "written": "W:", "grounding": "G:"}
        >>> read_ask(build_messages(ask, texts)[-1]["content"], texts) == ask
        True
    """
    rule = texts["rules"].get(ask.task, "")
    head = fill(
        texts["head"],
        {
            "count": ask.count,
            "task": f"{ask.task} ({rule})" if rule else ask.task,
            "language": f"{ask.language} ({ask.tag})",
            "name": ask.language,
            "characters": ask.max_characters,
        },
    )
    parts = [head, "", texts["examples"], json.dumps(list(ask.exemplars), ensure_ascii=False, indent=1)]
    if ask.written:
        parts += ["", texts["written"], json.dumps(list(ask.written), ensure_ascii=False, indent=1)]
    if ask.texts:
        parts += ["", texts["grounding"]]
        parts += [f'<text language="{tag}">\n{text}\n</text>' for tag, text in ask.texts]
    return [{"role": "user", "content": "\n".join(parts)}]


def read_ask(prompt: str, texts: Mapping[str, Any]) -> Ask | None:
    """Return what a prompt made by `build_messages` asks for, or None for any other prompt."""
    border = f"\n\n{texts['examples']}\n"
    start = prompt.find(border)
    fields = read(texts["head"], prompt[:start]) if start >= 0 else None
    if fields is None:
        return None
    try:
        exemplars, _ = json.JSONDecoder().raw_decode(prompt, start + len(border))
        language, tag = re.fullmatch(r"(.*) \((\S+)\)", fields["language"]).groups()  # type: ignore[union-attr]
        border = f"\n{texts['written']}\n"
        written = prompt.find(border)
        earlier = json.JSONDecoder().raw_decode(prompt, written + len(border))[0] if written > 0 else ()
        return Ask(
            task=fields["task"].split(" (")[0],
            language=language,
            tag=tag,
            count=int(fields["count"]),
            max_characters=int(fields["characters"]),
            exemplars=exemplars,
            written=earlier,
            texts=[(tag, text) for tag, text in _TEXT.findall(prompt)] or (),
        )
    except (ValueError, AttributeError):
        return None


def parse_items(text: str, *, cut_off: bool) -> list[Item]:
    """Return the tasks of an answer, in order; what is no task becomes an item with a `problem`.

    Args:
        text: The answer: a JSON array of objects, perhaps fenced or wrapped in words.
        cut_off: Whether the answer hit its length limit; complete objects before the cut are kept.

    Example:
        >>> parse_items('Sure! [{"instruction": "a", "output": "b"}, {"instr', cut_off=True)[0].output
        'b'
        >>> [item.problem for item in parse_items("no", cut_off=False)]
        ['no task in the answer']
    """
    items: list[Item] = []
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError:
            items.append(Item(problem="answer cut off" if cut_off else "broken JSON"))
            break
        items.extend(_items(value))
        place = text.find("{", end)
    if not items:
        items.append(Item(problem="empty answer" if not text.strip() else "no task in the answer"))
    return items


def _items(value: Any) -> list[Item]:
    """Return the items of one JSON object: itself, or the list it wraps (`{"tasks": [...]}`)."""
    wrapped = [part for part in value.values() if isinstance(part, list)]
    if "output" not in value and len(wrapped) == 1:
        return [item for part in wrapped[0] for item in (_items(part) if isinstance(part, dict) else [])]
    fields = [value.get(name) for name in ("instruction", "input", "output")]
    fields[1] = "" if fields[1] is None else fields[1]
    if not all(isinstance(field, str) for field in fields):
        return [Item(problem="a key is missing or no text")]
    instruction, input_, output = (field.strip() for field in fields)
    if not instruction or not output:
        return [Item(instruction, input_, output, problem="empty instruction or output")]
    return [Item(instruction, input_, output)]
