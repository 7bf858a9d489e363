"""Every generator from end to end: the offline stand-in for the flow, scripted teachers for what must hold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from adapters.llm.faulty_teacher import FaultyTeacher, running
from stages.synth_kit import OFFLINE, SAMPLE, context, payload, rejected, sample_documents

from newtongue.adapters.tables import read_conversations, read_documents, read_preferences, write_conversations
from newtongue.core.artefact import Artefact
from newtongue.core.errors import DataError
from newtongue.core.rows import Conversation, Message
from newtongue.methods.invented import TAG, from_english, to_english
from newtongue.methods.taco import final_section
from newtongue.stages.synth.config import SynthConfig
from newtongue.stages.synth.generators.evolve import OPERATIONS
from newtongue.stages.synth.generators.preference_pairs import winner
from newtongue.stages.synth.stage import synthesise
from newtongue.tools import stand_in

QUESTIONS = 24
DOCUMENT_KINDS = ("reverse", "grounded_qa", "grounded_dialogue")
INSTRUCTION_KINDS = (
    "evolve",
    "respond_native",
    "self_distil",
    "taco",
    "cross_lingual",
    "preference_pairs",
    "reasoning",
)


def english(folder: Path) -> Artefact:
    """Questions and answers in English; every fourth is held out."""
    lines = [json.loads(line)["text"] for line in (SAMPLE / "eng_Latn.jsonl").read_text("utf-8").splitlines()]
    rows = []
    for n, text in enumerate(lines[:QUESTIONS]):
        question = f"What is said in part {n} of {text[:60].rsplit(' ', 1)[0]}?"
        turns = (Message(role="user", content=question), Message(role="assistant", content=text))
        side = "heldout" if n % 4 == 3 else "train"
        rows.append(Conversation(f"q{n}", turns, "eng_Latn", side, f"g{n}", license="MIT"))
    write_conversations(folder / "instructions", rows)
    return Artefact("Conversations", folder / "instructions", sealed=True, name="$instructions")


def urdu(folder: Path) -> Artefact:
    rows = [json.loads(line) for line in (SAMPLE / "seeds.urd_Arab.jsonl").read_text("utf-8").splitlines()]
    turns = [
        (Message(role="user", content=r["instruction"]), Message(role="assistant", content=r["output"])) for r in rows
    ]
    write_conversations(
        folder / "own", [Conversation(f"u{n}", t, "urd_Arab", group=f"u{n}") for n, t in enumerate(turns[:QUESTIONS])]
    )
    return Artefact("Conversations", folder / "own", sealed=True, name="$own")


def run(folder: Path, kind: str, **settings: Any) -> Any:
    """Run a generator: documents in Urdu or instructions in English, answers of the stand-in."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = {"kind": kind, **settings.pop("generator", {})}
    chosen: dict[str, Any] = {"teacher": OFFLINE, "rows": 200, "max_answer_characters": 4000, "generator": generator}
    inputs: dict[str, Artefact] = {}
    if kind in DOCUMENT_KINDS:
        inputs["documents"] = sample_documents(folder, "urd_Arab", 40)
        chosen |= {"language": "urd_Arab", "documents": "documents"}
    elif kind == "evolve":
        inputs["instructions"] = urdu(folder)
        chosen |= {"language": "urd_Arab", "instructions": "instructions"}
    else:
        inputs["instructions"] = english(folder)
        chosen |= {"language": TAG, "instructions": "instructions"}
    if "documents" in settings:
        inputs["documents"] = settings.pop("documents")
        chosen["documents"] = "documents"
    if "dictionary" in settings:
        inputs["dictionary"] = Artefact("File", settings.pop("dictionary"), name="dictionary")
        chosen["dictionary"] = "dictionary"
    return synthesise(SynthConfig.model_validate({**chosen, **settings}), context(folder, inputs, 10**9))


def rows_of(folder: Path) -> list[Conversation]:
    return list(read_conversations(Artefact("Conversations", folder / "payload", sealed=True)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Every generator once, by the stand-in."""
    found = {}
    for kind in (*DOCUMENT_KINDS, *INSTRUCTION_KINDS):
        folder = tmp_path_factory.mktemp(kind)
        found[kind] = (folder, run(folder, kind))
    return found


@pytest.mark.parametrize("kind", [*DOCUMENT_KINDS, *INSTRUCTION_KINDS])
def test_each_generator_writes_rows_and_loses_none(made: Any, kind: str) -> None:
    folder, done = made[kind]
    counts = done.counts
    assert counts["documents"] >= 10, counts
    assert counts["received"] == counts["documents"] + counts["rejected"] + counts["failed"]
    assert f"by the generator `{kind}`" in done.card[0]
    assert "offline stand-in" in done.card[1]
    facts = [json.loads(line) for line in (folder / "payload" / "provenance.jsonl").read_text("utf-8").splitlines()]
    assert len(facts) == counts["documents"]
    assert {one["generator"] for one in facts} == {kind}


def test_a_row_stays_on_the_side_of_what_it_was_made_from(made: Any) -> None:
    for kind in ("respond_native", "taco", "self_distil"):
        folder, _ = made[kind]
        for row in rows_of(folder):
            assert row.split == ("heldout" if int(row.group.removeprefix("g")) % 4 == 3 else "train")
            assert row.license == "Apache-2.0 AND MIT"
    folder, _ = made["reverse"]
    sides = {d.group: d.split for d in read_documents(Artefact("Corpus", folder / "urd_Arab" / "corpus", sealed=True))}
    assert {sides[row.group] for row in rows_of(folder)} == {"train"}


def test_reverse_keeps_the_native_document_byte_for_byte(made: Any) -> None:
    folder, _ = made["reverse"]
    texts = {d.text for d in read_documents(Artefact("Corpus", folder / "urd_Arab" / "corpus", sealed=True))}
    assert all(row.messages[1]["content"] in texts for row in rows_of(folder))


def test_a_dialogue_stops_with_p_2p_4p(made: Any, tmp_path: Path) -> None:
    from newtongue.stages.synth.chain import Kit, Unit
    from newtongue.stages.synth.generators.grounded_dialogue import GroundedDialogue

    texts = dict.fromkeys(("question", "reply", "deeper", "broader"), "{text} {language}")
    kit = Kit("a", "b", {"a": "A", "b": "B"}, texts, {}, "", 0)
    lengths: Counter[int] = Counter()
    talk = GroundedDialogue(stop_fraction=0.25, max_answers=20)
    for number in range(2000):
        steps = talk.steps(Unit(str(number), "", "passage"), kit)
        asks = next(steps)
        try:
            while True:
                asks = steps.send(["passage"] * len(asks))
        except StopIteration as end:
            lengths[len(end.value[0].turns) // 2] += 1
    assert lengths[1] / 2000 == pytest.approx(0.25, abs=0.03)
    assert lengths[2] / (2000 - lengths[1]) == pytest.approx(0.5, abs=0.04)
    assert set(lengths) == {1, 2, 3}


def test_a_dialogue_alternates_and_rests_on_its_document(made: Any) -> None:
    folder, _ = made["grounded_dialogue"]
    for row in rows_of(folder):
        assert [turn["role"] for turn in row.messages] == ["user", "assistant"] * (len(row.messages) // 2)


def test_an_answer_beside_the_document_or_copied_from_it_is_dropped(tmp_path: Path) -> None:
    def write(body: dict[str, Any]) -> str:
        prompt = body["messages"][0]["content"]
        if "<question>" not in prompt:
            return stand_in.write(body)
        text = prompt.split("<text>\n")[1].split("\n</text>")[0]
        return text if body["seed"] and len(text) % 2 else "بندر درخت پر چڑھ گیا اور وہاں سے شور مچانے لگا۔"

    with running(FaultyTeacher(write=write)) as teacher, pytest.raises(Exception, match="no row was accepted"):
        strict = {"overlap": {"min_used_fraction": 0.9, "max_copied_words": 10}}
        run(tmp_path, "grounded_qa", teacher={"url": teacher.url}, generator=strict)


def test_respond_native_sends_no_answer_to_the_translator(tmp_path: Path) -> None:
    seen: list[str] = []

    def write(body: dict[str, Any]) -> str:
        seen.append(body["messages"][0]["content"])
        return stand_in.write(body)

    with running(FaultyTeacher(write=write)) as translator:
        run(tmp_path, "respond_native", translator={"url": translator.url})
    answers = {row.messages[1]["content"] for row in rows_of(tmp_path)}
    given = {row.messages[1]["content"] for row in read_conversations(english(tmp_path / "again"))}
    assert seen
    assert not [text for text in seen for answer in answers | given if answer in text]


def test_self_distil_makes_four_directions_and_tasks_as_configured(made: Any, tmp_path: Path) -> None:
    student: list[str] = []

    def write(body: dict[str, Any]) -> str:
        student.append(body["messages"][0]["content"])
        return "The student answers in its own words here."

    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("".join(f"{from_english(w)}\t{w}\n" for w in ("what", "is", "said", "part", "of")), "utf-8")
    generator = {"translation_fraction": 1.0, "completions": 5, "code_switch_fraction": 0.3}
    with running(FaultyTeacher(write=write)) as teacher:
        run(
            tmp_path, "self_distil", student={"url": teacher.url}, generator=generator, dictionary=lexicon,
            documents=made_documents(tmp_path),
        )  # fmt: skip
    found = Counter(row.task for row in rows_of(tmp_path))
    directions = [f"self_distil: {name}" for name in ("other_other", "target_target", "target_other", "other_target")]
    assert [found[name] for name in directions] == [QUESTIONS] * 4
    assert (found["translation"], found["completion"]) == (QUESTIONS, 5)
    assert len(student) == QUESTIONS
    for row in rows_of(tmp_path):
        if row.task == "self_distil: target_other":
            assert row.messages[1]["content"] == "The student answers in its own words here."
            assert any(letter.isascii() and letter.isalpha() for letter in row.messages[0]["content"].split("\n\n")[0])
        if row.task == "self_distil: target_target":
            assert to_english(row.messages[1]["content"]) == "The student answers in its own words here."


def made_documents(folder: Path) -> Artefact:
    from newtongue.adapters.tables import write_documents
    from newtongue.core.rows import Document

    texts = [d.text for d in read_documents(sample_documents(folder / "docs", "eng_Latn", 12), "train")]
    rows = [Document(f"d{n}", from_english(text), TAG, group=f"d{n}") for n, text in enumerate(texts)]
    write_documents(folder / "native", rows)
    return Artefact("Corpus", folder / "native", sealed=True, name="$native")


def test_taco_has_three_sections_in_order(made: Any) -> None:
    folder, _ = made["taco"]
    for row in rows_of(folder):
        answer = row.messages[1]["content"]
        heads = ("Instruction in English:", "Response in English:", "Response in qaa:")
        places = [answer.index(head) for head in heads]
        assert places == sorted(places)
        original = answer.split(f"{heads[1]}\n")[1].split(f"\n\n{heads[2]}")[0]
        final = final_section(answer, "qaa")
        assert final
        assert to_english(final) == original


def test_a_cross_lingual_row_asks_in_one_language_and_answers_in_the_other(made: Any) -> None:
    folder, _ = made["cross_lingual"]
    found = Counter(row.task for row in rows_of(folder))
    assert set(found) == {f"cross_lingual: eng_Latn to {TAG}", f"cross_lingual: {TAG} to eng_Latn"}
    for row in rows_of(folder):
        asked, answered = (turn["content"][:20].isascii() for turn in row.messages)
        assert (asked, answered) == ((True, False) if row.task.endswith(TAG) else (False, True))
        assert row.language == (TAG if row.task.endswith(TAG) else "eng_Latn")


def test_a_pair_has_its_prompt_in_another_language_and_two_answers(made: Any, tmp_path: Path) -> None:
    folder, done = made["preference_pairs"]
    pairs = list(read_preferences(Artefact("Preferences", folder / "payload", sealed=True)))
    assert len(pairs) == done.counts["documents"]
    for pair in pairs:
        assert pair.chosen["content"] != pair.rejected["content"]
        assert pair.prompt[0]["content"][:20].isascii() != pair.chosen["content"][:20].isascii()
        assert pair.chosen["content"][:20].isascii() == pair.rejected["content"][:20].isascii()
    with running(FaultyTeacher(write=lambda body: "A")) as judge, pytest.raises(Exception, match="judge undecided"):
        run(tmp_path, "preference_pairs", judge={"url": judge.url})
    assert winner(["A", "A"]) is None


def test_a_judge_that_cannot_be_read_is_counted_apart_from_one_that_stays_with_a_place(tmp_path: Path) -> None:
    says = lambda body: "A" if len(body["messages"][0]["content"]) % 2 else "both are fine, really"  # noqa: E731
    with running(FaultyTeacher(write=says)) as judge, pytest.raises(DataError) as said:
        run(tmp_path, "preference_pairs", judge={"url": judge.url})
    assert "judge undecided: unreadable" in str(said.value)
    assert "judge undecided: stays with a place" in str(said.value)


def test_evolving_takes_five_ways_alike_and_drops_what_gained_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "evolve", generator={"rounds": 6})
    found = Counter(row.task.removeprefix("evolve: ") for row in rows_of(tmp_path))
    assert set(found) == set(OPERATIONS)
    assert min(found.values()) > 0.08 * done.counts["documents"]

    def write(body: dict[str, Any]) -> str:
        prompt = body["messages"][0]["content"]
        task = prompt.split("<task>\n")[1].split("\n</task>")[0]
        if prompt.startswith("Do this task"):
            return "معذرت، یہ نہیں ہو سکتا۔" if "سورج نکلا" in task else "یہ اس کام کا ایک سیدھا سادہ جواب ہے۔"
        return (task, "Rewritten task: " + task, task + " سورج نکلا", "!!")[len(task) % 4]

    with running(FaultyTeacher(write=write)) as teacher, pytest.raises(DataError, match="no row was accepted") as said:
        run(tmp_path / "bad", "evolve", teacher={"url": teacher.url})
    assert sum(why in str(said.value) for why in ("itself", "leaked prompt", "could not be answered", "no words")) == 3


def test_a_failed_evolution_leaves_the_task_in_the_pool(tmp_path: Path) -> None:
    from newtongue.stages.synth.chain import Kit, Unit
    from newtongue.stages.synth.generators.evolve import Evolve

    texts = {**dict.fromkeys((*OPERATIONS, "answer"), "{task}|{language}"), "leaked": [], "refusals": []}
    kit = Kit("a", "b", {"a": "A", "b": "B"}, texts, {}, "", 0)
    steps = Evolve(rounds=2).steps(Unit("u", "first task", ""), kit)
    assert next(steps)[0].prompt == "first task|A"
    assert steps.send(["first task"])[0].prompt == "first task|A"
    assert steps.send(["second task"])[0].prompt == "second task|A"
    with pytest.raises(StopIteration) as end:
        steps.send(["an answer"])
    assert [draft.reason for draft in end.value.value] == ["evolved into itself", ""]


def test_reasoning_keeps_numbers_and_checks_sums(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    turns = {
        "good": ("A boy has 3 apples and buys 4 more. How many?", "He has 3 + 4 = 7 apples. The answer is 7."),
        "bad": ("A girl has 5 pears and eats 2. How many are left?", "She has 5 - 2 = 4 pears. The answer is 4."),
    }
    rows = [
        Conversation(
            name, (Message(role="user", content=q), Message(role="assistant", content=a)), "eng_Latn", group=name
        )
        for name, (q, a) in turns.items()
    ]
    write_conversations(folder, rows)
    inputs = {"instructions": Artefact("Conversations", folder, sealed=True)}
    chosen = {"teacher": OFFLINE, "language": TAG, "instructions": "instructions", "generator": {"kind": "reasoning"}}
    synthesise(SynthConfig.model_validate(chosen), context(tmp_path, inputs))
    (row,) = rows_of(tmp_path)
    assert to_english(row.messages[1]["content"]) == turns["good"][1]
    assert [r["reason"] for r in rejected(tmp_path)] == ["wrong sum"]


def test_concurrency_changes_no_byte_and_a_refused_request_costs_its_row(tmp_path: Path, made: Any) -> None:
    run(tmp_path, "cross_lingual", concurrency=1)
    assert payload(tmp_path) == payload(made["cross_lingual"][0])
    story = lambda body, attempt: "400" if len(body["messages"][0]["content"]) % 5 == 0 else "answer"  # noqa: E731
    with running(FaultyTeacher(story, write=stand_in.write)) as teacher:
        done = run(tmp_path / "2", "respond_native", teacher={"url": teacher.url})
    assert done.counts["failed"] == done.counts["rejected: refused: HTTP 400"] > 0
    assert done.counts["received"] == QUESTIONS


def test_urdu_prompts_do_the_same(tmp_path: Path) -> None:
    done = run(tmp_path, "grounded_qa", prompt_language="target")
    assert done.counts["documents"] >= 10


def test_a_generator_without_what_it_needs_says_so() -> None:
    with pytest.raises(ValueError, match="the generator `reverse` needs `documents`"):
        SynthConfig.model_validate({"teacher": OFFLINE, "language": TAG, "generator": {"kind": "reverse"}})
