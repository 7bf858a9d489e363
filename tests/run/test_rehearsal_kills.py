"""The real stages at rehearsal size: killed twenty times at random moments, every digest as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROVE = Path(__file__).resolve().parent.parent.parent / "bench" / "prove.py"
RECIPE = """\
newtongue: 1
languages: {target: [urd_Arab], keep: [eng_Latn]}
stages:
  corpus: {sources: [{path: asset:sample/urd_Arab.jsonl}], language: urd_Arab, heldout_fraction: 0.2}
  tokenizer: {model: asset:pico, corpus: $corpus}
  pretrain: {model: $tokenizer, corpus: $corpus, tokens: 20000, sequence_length: 64, tokens_per_step: 512}
  synth:
    teacher: {serve: offline, license: Apache-2.0}
    language: urd_Arab
    seeds: asset:sample/seeds.urd_Arab.jsonl
    documents: $corpus
  select: {candidates: $synth, keep: 20}
  scores: {stage: eval, model: $pretrain, text: {urdu: {corpus: $corpus, language: urd_Arab, role: target}}}
  report: {before: $scores, after: $scores, stages: [$corpus, $tokenizer, $pretrain, $synth, $select]}
"""


@pytest.mark.timeout(900)  # about a minute on two free cores
def test_twenty_kills_of_a_rehearsal_change_no_digest(tmp_path):
    (tmp_path / "small.yaml").write_text(RECIPE)
    arguments = [
        tmp_path / "small.yaml",
        "--rehearse",
        "--only",
        "killed",
        "--out",
        tmp_path / "proof",
        "--keep",
        "--json",
    ]
    done = subprocess.run([sys.executable, PROVE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["kills"]["killed"] == 20
    assert len(result["stages"]) == 7
    assert all(stage["equal"] for stage in result["stages"].values())
    assert sum(stage["attempts"]["killed"] for stage in result["stages"].values()) > 15
