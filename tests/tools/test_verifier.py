"""`newtongue language TAG --from`: a verifier from a few pages of text, beside its card, and in the language gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from stages.test_wrong_language import declaration, inject
from typer.testing import CliRunner

from newtongue.adapters.identification import identify
from newtongue.adapters.languages import FOLDER, load_card
from newtongue.adapters.verifiers import SUFFIX, read_verifier
from newtongue.cli.main import app
from newtongue.core.errors import DataError
from newtongue.methods.language_verifier import cut_pieces, invented_neighbours, learn_verifier
from newtongue.methods.verified_gate import Gate, gate_of
from newtongue.stages.synth.judge import gate_for

TAGS = {"ace": "ace_Latn", "skr": "skr_Arab", "mag": "mag_Deva"}
NEIGHBOURS = {"ace": ("ban", "sun", "jav"), "skr": ("pnb", "urd", "pes_1"), "mag": ("bho", "hin", "nep")}


@pytest.fixture
def own_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(FOLDER, str(tmp_path / "cards"))
    load_card.cache_clear()
    read_verifier.cache_clear()
    yield tmp_path / "cards"
    load_card.cache_clear()
    read_verifier.cache_clear()


def halves(folder: Path, name: str) -> tuple[str, list[str]]:
    """Two thirds of the Declaration in a language, and the rest as stretches of some sentences."""
    lines = [line.strip() for line in (folder / "udhr" / f"{name}.txt").read_text("utf-8").splitlines() if line.strip()]
    blocks = ["\n".join(lines[n : n + 3]) for n in range(0, len(lines), 3)]
    return "\n\n".join(b for n, b in enumerate(blocks) if n % 3), [b for b in blocks[::3] if len(b) > 120]


def made(folder: Path, data: Path, name: str) -> tuple[Gate, list[str], dict[str, list[str]]]:
    """Make card and verifier on the command line; return the gate and what nobody learnt from."""
    learnt, held_out = halves(data, name)
    (folder / "own.txt").write_text(learnt, "utf-8")
    (folder / "against").mkdir()
    foreign = {}
    for other in NEIGHBOURS[name]:
        text, foreign[other] = halves(data, other)
        (folder / "against" / f"{other}.txt").write_text(text, "utf-8")
    asked = ["language", TAGS[name], "--from", str(folder / "own.txt"), "--against", str(folder / "against")]
    done = CliRunner().invoke(app, [*asked, "--out", str(folder / "cards")])
    assert done.exit_code == 0, done.output
    load_card.cache_clear()
    read_verifier.cache_clear()
    return gate_for(TAGS[name]), held_out, foreign


@pytest.mark.parametrize("name", TAGS)
def test_it_takes_its_language_and_refuses_the_nearest(
    name: str, own_cards: Path, tmp_path: Path, shared_data: Path
) -> None:
    gate, held_out, foreign = made(tmp_path, shared_data, name)
    right = [gate.language(text).outcome == "right" for text in held_out]
    assert np.mean(right) >= 0.85, (np.mean(right), len(right))  # a third of one text: ten to fifteen stretches
    told = [gate.language(text).outcome for texts in foreign.values() for text in texts]
    assert np.mean([outcome == "wrong" for outcome in told]) >= 0.9, told
    assert np.mean([outcome == "right" for outcome in told]) <= 0.1, told
    assert gate.language("The capital of the country is a large city where many people live.").outcome == "wrong"
    card = load_card(TAGS[name])
    assert card.verifier
    assert card.verifier.accepted > 0.9
    assert {f"{other}" for other in NEIGHBOURS[name]} <= set(card.verifier.rejected)
    assert (own_cards / f"{TAGS[name]}{SUFFIX}").stat().st_size < 200_000


def test_a_verifier_that_is_not_the_cards_is_refused(own_cards: Path, tmp_path: Path, shared_data: Path) -> None:
    made(tmp_path, shared_data, "skr")
    file = own_cards / f"skr_Arab{SUFFIX}"
    file.write_bytes(file.read_bytes() + b"x")
    read_verifier.cache_clear()
    with pytest.raises(DataError, match="not the one of the card"):
        gate_for("skr_Arab")
    file.unlink()
    with pytest.raises(DataError, match="is not there"):
        gate_for("skr_Arab")


def sentences(seed: int, count: int) -> list[str]:
    """Documents in a language made of its own syllables."""
    rng = Random(seed)
    syllables = [a + b for a in rng.sample("bdfgklmnprstvz", 7) for b in rng.sample("aeiou", 3)]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(150)]
    return [" ".join(rng.choices(words, k=60)) + "." for _ in range(count)]


def test_it_is_learnt_without_any_other_text_and_always_the_same() -> None:
    own, other = sentences(1, 40), sentences(2, 20)
    pieces = cut_pieces(own[:20])
    learnt = [learn_verifier(pieces, invented_neighbours(pieces)) for _ in range(2)]
    assert all(np.array_equal(learnt[0].verifier.weights, one.verifier.weights) for one in learnt)
    assert learnt[0].accepted >= 0.9
    assert min(learnt[0].rejected.values()) >= 0.9
    assert np.mean([learnt[0].verifier.probability(text) >= 0.5 for text in own[20:]]) >= 0.95
    assert np.mean([learnt[0].verifier.probability(text) < 0.3 for text in other]) >= 0.95


def test_text_left_out_is_judged_as_if_it_had_never_been_there() -> None:
    from newtongue.methods.language_verifier import _fit

    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 5)).astype(np.float32)
    is_own, shares, blocks = np.arange(12) < 5, np.linspace(0.5, 1.5, 12), [str(n // 2) for n in range(12)]
    _, left_out = _fit(points, is_own, shares, blocks)
    for block in set(blocks):
        kept = np.array([b != block for b in blocks])
        rule, _ = _fit(points[kept], is_own[kept], shares[kept], [b for b in blocks if b != block])
        np.testing.assert_allclose(left_out[~kept], points[~kept] @ rule, rtol=1e-4, atol=1e-5)


def test_a_known_language_is_left_to_the_identifier(own_cards: Path, tmp_path: Path) -> None:
    card = load_card("urd_Arab")
    gate = gate_of(card, [], identify, {"telling": None})
    assert gate.identify is identify
    assert gate.profile.code == "ur"


def test_too_little_text_is_refused_and_nothing_is_written(own_cards: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ba ko mi. " * 100, "utf-8")
    done = CliRunner().invoke(app, ["language", "qab_Latn", "--from", str(tmp_path / "a.txt"), "--out", str(own_cards)])
    assert isinstance(done.exception, DataError)
    assert "too few for a verifier" in str(done.exception)
    assert not own_cards.exists()


def test_json_says_how_good_it_is(own_cards: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(sentences(3, 30)), "utf-8")
    asked = ["language", "qab_Latn", "--from", str(tmp_path / "a.txt"), "--out", str(own_cards), "--json"]
    done = CliRunner().invoke(app, asked)
    facts = json.loads(done.stdout)["card"]["verifier"]
    assert facts["accepted"] >= 0.9
    assert facts["rejected"]["changed letters 1"] >= 0.9


def test_rows_in_a_neighbouring_language_do_not_pass_the_stage(
    own_cards: Path, tmp_path: Path, shared_data: Path
) -> None:
    _, held_out, foreign = made(tmp_path, shared_data, "ace")
    right = [*declaration(shared_data, "ace"), *(" ".join(text.split()) for text in held_out)]
    wrong = [" ".join(text.split()) for texts in foreign.values() for text in texts]
    done = inject(tmp_path, "ace_Latn", right, wrong)
    assert not done.exported & done.wrong
    assert done.counts["rejected: answer: language"] > 20
    assert len(done.right - done.exported) <= 0.03 * len(done.right)
