"""The kinds of task a stand-in teacher can make correctly without understanding a language.

Each kind turns sentences, labelled examples, questions with answers, or sentence pairs into the slots of a form; a
form's wording is data. A kind returns None when its material does not allow it this time.
Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from newtongue.methods.stand_in_material import Material, question_of, sentences, single_words
from newtongue.methods.words import words

Slots = dict[str, str]
Data = Mapping[str, Any]

CLIP_WORDS: Final = 2
"""Words shown on each side of a blank."""
MAX_ANSWER_SHOWN: Final = 70
"""Longest answer quoted inside another task, in characters."""


def cloze(rng: Random, source: Material, data: Data) -> Slots | None:
    """A sentence, a piece of it with a blank, and the missing word."""
    sentence = source.sentence(rng)
    inner = [word for word in single_words(sentence or "") if word in words(sentence or "")[1:-1]]
    if not sentence or not inner:
        return None
    word = rng.choice(inner)
    place = words(sentence).index(word)
    start, end = sentence.index(word), sentence.index(word) + len(word)
    left = " ".join(sentence[:start].split()[-CLIP_WORDS:])
    right = " ".join(sentence[end:].split()[:CLIP_WORDS])
    return {"sentence": sentence, "word": word, "clip": f"{left} {data['blank']} {right}"} if place else None


def neighbours(rng: Random, source: Material, _data: Data) -> Slots | None:
    """A word of a sentence with the words before and after it."""
    sentence = source.sentence(rng)
    if not sentence:
        return None
    all_words = words(sentence)
    inner = [word for word in single_words(sentence) if word in all_words[1:-1]]
    if not inner:
        return None
    word = rng.choice(inner)
    place = all_words.index(word)
    return {"sentence": sentence, "word": word, "next": all_words[place + 1], "previous": all_words[place - 1]}


def edge_word(place: int) -> Callable[[Random, Material, Data], Slots | None]:
    """Return the kind that asks for the word at `place` (0 the first, -1 the last)."""

    def kind(rng: Random, source: Material, _data: Data) -> Slots | None:
        sentence = source.sentence(rng)
        return {"sentence": sentence, "word": words(sentence)[place]} if sentence else None

    return kind


def contains_word(rng: Random, source: Material, data: Data) -> Slots | None:
    """A sentence, and a word that is in it or comes from elsewhere."""
    sentence, other = source.sentence(rng), source.sentence(rng)
    inside = single_words(sentence or "")
    if not sentence or not other or not inside:
        return None
    outside = [word for word in words(other) if len(word) > 2 and word not in sentence]
    if outside and rng.random() < 0.5:
        return {"sentence": sentence, "word": rng.choice(outside), "verdict": data["no"]}
    return {"sentence": sentence, "word": rng.choice(inside), "verdict": data["yes"]}


def earlier_word(rng: Random, source: Material, _data: Data) -> Slots | None:
    """Two words of a sentence, and which of them comes first."""
    sentence = source.sentence(rng)
    candidates = single_words(sentence or "")
    if not sentence or len(candidates) < 2:
        return None
    a, b = rng.sample(candidates, 2)
    return {"sentence": sentence, "a": a, "b": b, "earlier": min(a, b, key=sentence.index)}


def passage_edges(rng: Random, source: Material, _data: Data) -> Slots | None:
    """A passage with its first and last sentence."""
    passage = source.passage(rng)
    return {"passage": " ".join(passage), "first": passage[0], "last": passage[-1]} if passage else None


def count_sentences(rng: Random, source: Material, data: Data) -> Slots | None:
    """A passage and the number of its sentences."""
    passage = source.passage(rng)
    return {"passage": " ".join(passage), "number": data["numbers"][len(passage) - 1]} if passage else None


def sentence_of_word(rng: Random, source: Material, data: Data) -> Slots | None:
    """A passage, a word that occurs once in it, and the sentence that has it."""
    passage = source.passage(rng, len(data["oblique_ordinals"]))
    if not passage:
        return None
    whole = " ".join(passage)
    place = rng.randrange(len(passage))
    candidates = [word for word in single_words(passage[place]) if whole.count(word) == 1]
    if not candidates:
        return None
    return {"passage": whole, "word": rng.choice(candidates), "ordinal": data["oblique_ordinals"][place]}


def finish_sentence(rng: Random, source: Material, _data: Data) -> Slots | None:
    """The first half of a sentence, and the rest."""
    sentence = source.sentence(rng)
    pieces = (sentence or "").split()
    if len(pieces) < 6:
        return None
    cut = len(pieces) // 2
    return {"beginning": " ".join(pieces[:cut]), "rest": " ".join(pieces[cut:])}


def reverse_words(rng: Random, source: Material, data: Data) -> Slots | None:
    """Neighbouring words of a sentence as a list, and the list from its end."""
    sentence = source.sentence(rng)
    if not sentence:
        return None
    some = words(sentence)
    length = rng.randint(3, 5)
    start = rng.randrange(max(1, len(some) - length))
    row = some[start : start + length]
    return {"listed": data["comma"].join(row), "reversed": data["comma"].join(reversed(row))}


def sentence_with_word(rng: Random, source: Material, _data: Data) -> Slots | None:
    """A word, and a sentence that uses it."""
    sentence = source.sentence(rng)
    candidates = [word for word in single_words(sentence or "") if len(word) > 3]
    return {"sentence": sentence, "word": rng.choice(candidates)} if sentence and candidates else None


def label(rng: Random, source: Material, data: Data) -> Slots | None:
    """A text, the labels to choose from, and its own; `guess` is a label that may be wrong."""
    example = rng.choice(source.examples)
    labels = list(example.get("labels") or ())
    if example["output"] not in labels or not example["input"]:
        return None
    rng.shuffle(labels)
    guess = rng.choice([example["output"], rng.choice(labels)])
    verdict = data.get("yes" if guess == example["output"] else "no", "")
    listed = data["comma"].join(labels)
    return {"text": example["input"], "labels": listed, "label": example["output"], "guess": guess, "verdict": verdict}


def two_labels(rng: Random, source: Material, data: Data) -> Slots | None:
    """Two texts and whether they have the same label; when not, one of the labels and whose it is."""
    first, second = rng.sample(list(source.examples), 2) if len(source.examples) > 1 else ({}, {})
    if not (first.get("labels") and second.get("labels") and first["input"] and second["input"]):
        return None
    place = rng.randrange(2)
    same = first["output"] == second["output"]
    slots = {"first": first["input"], "second": second["input"], "verdict": data.get("yes" if same else "no", "")}
    if "which" in data and same:
        return None
    return {**slots, "label": (first, second)[place]["output"], "ordinal": data["feminine_ordinals"][place]}


def answer(rng: Random, source: Material, data: Data) -> Slots | None:
    """A question with its answer, and the answer's first sentence."""
    example = rng.choice(source.examples)
    start = sentences(example["output"], data["sentence_marks"])
    return {"question": question_of(example), "answer": example["output"], "start": start[0]} if start else None


def choose_answer(rng: Random, source: Material, data: Data) -> Slots | None:
    """A question, its answer among two, and a candidate that may be the other's."""
    drawn = source.two_examples(rng)
    if not drawn:
        return None
    right, wrong = (sentences(example["output"], data["sentence_marks"])[:1] for example in drawn)
    if not right or not wrong or right == wrong or len(right[0]) + len(wrong[0]) > 2 * MAX_ANSWER_SHOWN:
        return None
    return {"question": question_of(drawn[0]), **_choice(rng, right[0], wrong[0], data)}


def choose_translation(rng: Random, source: Material, data: Data) -> Slots | None:
    """A sentence, its translation among two, and a candidate that may be the other's."""
    drawn = source.two_pairs(rng)
    if not drawn or drawn[0][1] == drawn[1][1]:
        return None
    return {"source": drawn[0][0], **_choice(rng, drawn[0][1], drawn[1][1], data)}


def translate(rng: Random, source: Material, _data: Data) -> Slots | None:
    """A sentence and its translation."""
    if not source.pairs:
        return None
    original, target = rng.choice(source.pairs)
    return {"source": original, "target": target}


def translation_cloze(rng: Random, source: Material, data: Data) -> Slots | None:
    """A sentence, its translation with a blank, and two words for it."""
    drawn = source.two_pairs(rng)
    if not drawn:
        return None
    (original, target), (_, other) = drawn
    right = single_words(target)
    wrong = [word for word in single_words(other) if word not in target]
    if not right or not wrong:
        return None
    word = rng.choice(right)
    a, b = rng.sample([word, rng.choice(wrong)], 2)
    return {"source": original, "blanked": target.replace(word, data["blank"]), "word": word, "a": a, "b": b}


def _choice(rng: Random, right: str, wrong: str, data: Data) -> Slots:
    place = rng.randrange(2)
    first, second = (right, wrong) if place == 0 else (wrong, right)
    candidate = rng.choice([right, wrong])
    verdict = data.get("yes" if candidate == right else "no", "")
    letter = data["letters"][place]
    return {"first": first, "second": second, "letter": letter, "candidate": candidate, "verdict": verdict}


KINDS: Final[Mapping[str, Callable[[Random, Material, Data], Slots | None]]] = {
    "cloze": cloze,
    "word_after": neighbours,
    "word_before": neighbours,
    "first_word": edge_word(0),
    "last_word": edge_word(-1),
    "contains_word": contains_word,
    "earlier_word": earlier_word,
    "first_sentence": passage_edges,
    "last_sentence": passage_edges,
    "count_sentences": count_sentences,
    "sentence_of_word": sentence_of_word,
    "finish_sentence": finish_sentence,
    "reverse_words": reverse_words,
    "sentence_with_word": sentence_with_word,
    "label": label,
    "is_label": label,
    "which_label": two_labels,
    "same_label": two_labels,
    "answer": answer,
    "answer_start": answer,
    "choose_answer": choose_answer,
    "is_answer": choose_answer,
    "translate": translate,
    "choose_translation": choose_translation,
    "is_translation": choose_translation,
    "translation_cloze": translation_cloze,
}
"""Kind of a form -> how its slots are filled."""
