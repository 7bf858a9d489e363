"""lm-evaluation-harness as what answers: its models, our tasks.

Tasks are read here, so no code of a task file runs; only the model of lm-evaluation-harness is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from newtongue.adapters.harness.requests import Continuations, Generate, Generated, Likelihood, Progress, Rolling
from newtongue.core.errors import DataError, MissingExtra, RecipeError


@dataclass(frozen=True, slots=True)
class LmEvalBackend:
    """A model of lm-evaluation-harness.

    Attributes:
        model: An `lm_eval.api.model.LM`.
        instance: The class of its requests.
    """

    model: Any
    instance: Any

    @classmethod
    def load(cls, path: str, *, dtype: str, max_length: int, batch: int, device: str) -> LmEvalBackend:
        """Load a model directory with its Hugging Face model.

        Raises:
            MissingExtra: lm_eval is not installed.
        """
        try:
            from lm_eval.api.instance import Instance
            from lm_eval.models.huggingface import HFLM
        except ModuleNotFoundError:
            raise MissingExtra("lm_eval[hf]", "lm-eval") from None
        settings = {"dtype": dtype, "max_length": max_length, "batch_size": batch, "device": device}
        return cls(HFLM(pretrained=path, **settings), Instance)

    def likelihoods(self, asked: Sequence[Continuations], progress: Progress) -> list[list[Likelihood]]:
        """Return per question one likelihood per pair.

        Raises:
            DataError: A token spans a join, which ends a run of lm-evaluation-harness.
        """
        pairs = [pair for one in asked for pair in one.pairs]
        try:
            found = iter(self.model.loglikelihood(self._instances("loglikelihood", pairs), disable_tqdm=True))
        except AssertionError as error:
            raise DataError(
                f"lm-evaluation-harness gave up ({error or 'a token spans prompt and answer'})",
                place="engine",
                fix="use engine: own, which scores from the token that spans",
            ) from None
        progress(len(pairs))
        return [[_likelihood(next(found)) for _ in one.pairs] for one in asked]

    def rolling(self, asked: Sequence[Rolling], progress: Progress) -> list[Likelihood]:
        """Return the likelihood of every text."""
        requests = self._instances("loglikelihood_rolling", [(one.text,) for one in asked])
        found = self.model.loglikelihood_rolling(requests, disable_tqdm=True)
        progress(len(asked))
        return [Likelihood(float(value), False, 0) for value in found]

    def generate(self, asked: Sequence[Generate], progress: Progress) -> list[Generated]:
        """Return the answers; how many tokens they took and how they ended is not told.

        Raises:
            RecipeError: An answer is to be sampled.
        """
        if any(one.temperature > 0 for one in asked):
            raise RecipeError("engine: lm_eval answers greedily only", place="engine", fix="use engine: own")
        settings = [
            {"until": list(one.until), "max_gen_toks": one.max_tokens, "do_sample": False, "temperature": 0.0}
            for one in asked
        ]
        pairs = [(one.prompt, given) for one, given in zip(asked, settings, strict=True)]
        found = self.model.generate_until(self._instances("generate_until", pairs), disable_tqdm=True)
        progress(len(asked))
        return [Generated(str(text), 0, False) for text in found]

    def chat(self, messages: Sequence[dict[str, str]], *, open_answer: bool) -> str:
        """Return a conversation under the model's chat template."""
        return str(self.model.apply_chat_template(list(messages), add_generation_prompt=open_answer))

    def facts(self) -> dict[str, Any]:
        """Return who answers."""
        return {"engine": "lm-evaluation-harness"}

    def _instances(self, kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [self.instance(request_type=kind, doc={}, arguments=a, idx=n) for n, a in enumerate(arguments)]


def _likelihood(found: tuple[float, bool]) -> Likelihood:
    return Likelihood(float(found[0]), bool(found[1]), 0)
