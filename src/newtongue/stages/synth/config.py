"""Settings of the `synth` stage."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from newtongue.core.asking import AskingConfig
from newtongue.core.config import ConversationsRef, CorpusRef, FileRef, Settings
from newtongue.core.teacher import Teacher
from newtongue.stages.synth.generators.cross_lingual import CrossLingual
from newtongue.stages.synth.generators.evolve import Evolve
from newtongue.stages.synth.generators.grounded_dialogue import GroundedDialogue
from newtongue.stages.synth.generators.grounded_qa import GroundedQa
from newtongue.stages.synth.generators.preference_pairs import PreferencePairs
from newtongue.stages.synth.generators.reasoning import Reasoning
from newtongue.stages.synth.generators.respond_native import RespondNative
from newtongue.stages.synth.generators.reverse import Reverse
from newtongue.stages.synth.generators.self_distil import SelfDistil
from newtongue.stages.synth.generators.self_instruct import SelfInstruct
from newtongue.stages.synth.generators.taco import Taco

Generator = Annotated[
    SelfInstruct
    | Evolve
    | Reverse
    | GroundedQa
    | GroundedDialogue
    | RespondNative
    | SelfDistil
    | Taco
    | CrossLingual
    | PreferencePairs
    | Reasoning,
    Field(discriminator="kind"),
]
"""Every generator, told apart by `kind`."""


class Prompt(Settings):
    """What one request shows and asks for."""

    exemplars: int = Field(3, ge=1, le=10)
    """Seed tasks shown."""
    already_written: int = Field(3, ge=0, le=10)
    """Instructions accepted in earlier rounds that are named so that new ones differ."""
    tasks: int = Field(4, ge=1, le=20)
    """Tasks asked for."""
    grounded: list[str] = Field(default_factory=lambda: ["qa", "generation", "translation", "classification"])
    """Task types whose requests carry a document, when there are documents."""
    max_document_characters: int = Field(1500, ge=100)
    """Longer documents are cut at a paragraph or sentence."""


class SynthConfig(AskingConfig):
    """Let a teacher write instruction data from seed tasks and documents.

    The held-out side has its own seeds: a row on one side was never shown, and never shows, a seed of the other.
    Documents are read on their training side only, and rows grounded on one stay on that side.
    """

    MAKES: ClassVar[str] = "Conversations"
    ROLES: ClassVar[tuple[str, ...]] = ("translator", "student", "judge")

    language: str
    """Tag of the language to write in."""
    generator: Generator = SelfInstruct()
    """How rows come about."""
    other_language: str = "eng_Latn"
    """The second language of rows that have two (translation, cross-lingual)."""
    seeds: ConversationsRef | None = None
    """Seed tasks of `self_instruct`: rows with `task`, `instruction`, `input`, `output`, perhaps `labels`."""
    instructions: ConversationsRef | None = None
    """Instructions with answers that the generators start from which need some; `evolve` takes the language's own."""
    dictionary: FileRef | None = None
    """Lines of word, tab, translation: for code-switching in `self_distil`."""
    translator: Teacher | None = None
    """Who translates inside generators; null asks the teacher."""
    student: Teacher | None = None
    """Whose answers `self_distil` and `preference_pairs` take as the student's; null asks the teacher."""
    judge: Teacher | None = None
    """Who compares answers in `preference_pairs`; null asks the teacher."""
    documents: CorpusRef | None = None
    """Documents that tasks may be grounded on; only the training side is read."""
    translations: CorpusRef | None = None
    """The same documents in another language, matched by group; shown with them in `translation` requests."""
    tasks: dict[str, float] = Field(default_factory=dict)
    """Task type -> relative weight; empty takes every type of the seeds alike."""
    rows: int = Field(500, ge=1)
    """Accepted rows to aim for."""
    max_requests: int | None = Field(None, ge=1)
    """Give up after this many requests; None allows three per row."""
    prompt: Prompt = Prompt()
    """What one request shows and asks for."""
    max_answer_characters: int = Field(1000, ge=20)
    """Longer answers are rejected; the prompt says so."""
    max_similarity: float = Field(0.7, gt=0, le=1)
    """A row is dropped when instruction and input are more similar (ROUGE-L F on Unicode words) to a seed or a row."""
    heldout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of seeds, and of rows, on the held-out side."""
    seed: int = 0
    """Seed of draws and of requests."""

    @model_validator(mode="after")
    def _has_what_the_generator_needs(self) -> Self:
        needed = ["seeds"] if isinstance(self.generator, SelfInstruct) else [self.generator.NEEDS]
        if isinstance(self.generator, SelfDistil) and self.generator.completions:
            needed.append("documents")
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"the generator `{self.generator.kind}` needs `{name}`")
        return self

    def makes(self) -> str:
        """Return the kind of the rows."""
        return "Preferences" if isinstance(self.generator, PreferencePairs) else self.MAKES

    def rehearsal(self) -> Self:
        """Ask for forty rows, enough of them held out that both sides have some."""
        heldout = max(self.heldout_fraction, 0.4) if self.heldout_fraction else 0.0
        return self.model_copy(update={"rows": min(self.rows, 40), "heldout_fraction": heldout})
