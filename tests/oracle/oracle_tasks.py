"""Small local tasks in the format of lm-evaluation-harness, in several scripts, made from word lists and a seed.

`write_tasks` writes them; both sides of the oracle test read the same files.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

ENGLISH = "river mill boat child school field market rain friend letter garden stone window bread"
URDU = "دریا چکی کشتی بچہ سکول کھیت بازار بارش دوست خط باغ پتھر کھڑکی روٹی"
HINDI = "नदी चक्की नाव बच्चा स्कूल खेत बाज़ार बारिश मित्र पत्र बाग़ पत्थर खिड़की रोटी"
THAI_WORDS = "แม่น้ำ โรงสี เรือ เด็ก โรงเรียน ทุ่งนา ตลาด ฝน เพื่อน จดหมาย สวน หิน หน้าต่าง ขนมปัง"
WORDS = {"eng": ENGLISH.split(), "urd": URDU.split(), "hin": HINDI.split()}
THAI = THAI_WORDS.split()
ITEMS = 12

CHOICE = {"output_type": "multiple_choice", "dataset_path": "json", "test_split": "test"}
ACC = [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm", "acc_bytes")]


def write_tasks(folder: Path) -> list[str]:
    """Write rows and task files; return the names of the tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(7)
    _rows(folder / "letters.jsonl", [_letters(random, n) for n in range(ITEMS)])
    _rows(folder / "passages.jsonl", [_passage(random, n) for n in range(ITEMS)])
    _rows(folder / "causes.jsonl", [_cause(random) for _ in range(ITEMS)])
    _rows(folder / "shots.jsonl", [_cause(random) for _ in range(8)])
    _rows(folder / "pairs.jsonl", [_pair(random) for _ in range(ITEMS)])
    _rows(folder / "texts.jsonl", [{"text": _sentence(random, list(WORDS)[n % 3], 20 + 40 * n)} for n in range(6)])
    _rows(folder / "sums.jsonl", [_sum(random) for _ in range(ITEMS)])
    _rows(folder / "thai.jsonl", [_thai(random) for _ in range(ITEMS)])
    for name, settings in TASKS.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **settings}, ensure_ascii=False), "utf-8")
    return list(TASKS)


def _files(name: str, **more: str) -> dict[str, Any]:
    return {"dataset_kwargs": {"data_files": {"test": f"{name}.jsonl", **{k: f"{v}.jsonl" for k, v in more.items()}}}}


CAUSE = {
    **CHOICE,
    "doc_to_text": "{{premise}} {{'because' if question == 'cause' else 'so'}}",
    "doc_to_target": "label",
    "doc_to_choice": "{{[choice1, choice2]}}",
    "metric_list": ACC,
}
TASKS: dict[str, dict[str, Any]] = {
    "letters": {
        **CHOICE,
        **_files("letters"),
        "metric_list": ACC,
        "doc_to_text": "{{question}}\nA. {{options[0]}}\nB. {{options[1]}}\n"
        "C. {{options[2]}}\nD. {{options[3]}}\nAnswer:",
        "doc_to_choice": ["A", "B", "C", "D"],
        "doc_to_target": "answer",
    },
    "passages": {
        **CHOICE,
        **_files("passages"),
        "metric_list": ACC,
        "doc_to_text": "{{passage}}\n\n{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "{{answer}}",
        "metadata": {"group_by": "passage"},
    },
    "spanning": {
        **CHOICE,
        **_files("passages"),
        "metric_list": ACC,
        "doc_to_text": "{{passage}}\n\n{{question}}\n",
        "doc_to_choice": "options",
        "doc_to_target": "{{answer}}",
    },
    "causes": {**CAUSE, **_files("causes")},
    "causes_mutual": {**CAUSE, **_files("causes"), "metric_list": [{"metric": "acc"}, {"metric": "acc_mutual_info"}]},
    "five_shot": {
        **CAUSE,
        **_files("causes", train="shots"),
        "num_fewshot": 5,
        "fewshot_split": "train",
        "description": "Complete the sentence.\n",
        "fewshot_config": {"sampler": "first_n"},
    },
    "drawn_shots": {**CAUSE, **_files("causes"), "num_fewshot": 3, "fewshot_split": "test"},
    "inside": {
        **CHOICE,
        **_files("pairs"),
        "metric_list": ACC[:1],
        "doc_to_text": "",
        "doc_to_target": "label",
        "doc_to_choice": "{{[premise+', right? Yes, '+hypothesis, "
        "premise+', right? Also, '+hypothesis, premise+', right? No, '+hypothesis]}}",
    },
    "two_inputs": {
        **CHOICE,
        **_files("pairs"),
        "metric_list": ACC[:1],
        "doc_to_text": "{{label}}",
        "doc_to_target": "{{hypothesis}}",
        "doc_to_choice": "{{[premise, hypothesis, premise + ' ' + hypothesis]}}",
    },
    "cloze": {
        "output_type": "loglikelihood",
        "dataset_path": "json",
        "test_split": "test",
        **_files("causes"),
        "doc_to_text": "{{premise}}",
        "doc_to_target": "{{' ' + choice1}}",
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    },
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "dataset_path": "json",
        "test_split": "test",
        **_files("texts"),
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": m} for m in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
    },
    "sums": {
        "output_type": "generate_until",
        "dataset_path": "json",
        "test_split": "test",
        **_files("sums"),
        "num_fewshot": 4,
        "fewshot_config": {"sampler": "first_n", "split": "test"},
        "doc_to_text": "{{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n", "Question"], "max_gen_toks": 12, "do_sample": False},
        "filter_list": [
            {"name": "strict", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]},
            {
                "name": "digits",
                "filter": [
                    {"function": "regex", "regex_pattern": "(-?[0-9]+)", "group_select": -1},
                    {"function": "take_first"},
                ],
            },
        ],
        "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}],
    },
    "thai": {**CAUSE, **_files("thai"), "doc_to_text": "{{premise}}", "target_delimiter": ""},
}


def _rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def _sentence(random: Random, language: str, words: int) -> str:
    return " ".join(random.choices(WORDS[language], k=words)) + "."


def _letters(random: Random, number: int) -> dict[str, Any]:
    options = random.sample(WORDS["eng"], 4)
    return {
        "question": _sentence(random, list(WORDS)[number % 3], 8),
        "options": options,
        "answer": random.randrange(4),
    }


def _passage(random: Random, number: int) -> dict[str, Any]:
    language = list(WORDS)[number % 3]
    own = Random(number // 2)  # two questions on each passage
    options = [_sentence(random, language, 3 + k) for k in range(4)]
    return {
        "passage": _sentence(own, language, 60),
        "question": _sentence(random, language, 6),
        "options": options,
        "answer": random.randrange(4),
    }


def _cause(random: Random) -> dict[str, Any]:
    return {
        "premise": _sentence(random, "eng", 6)[:-1],
        "question": random.choice(["cause", "effect"]),
        "choice1": _sentence(random, "eng", 4),
        "choice2": _sentence(random, "eng", 5),
        "label": random.randrange(2),
    }


def _pair(random: Random) -> dict[str, Any]:
    return {
        "premise": _sentence(random, "eng", 12)[:-1],
        "hypothesis": _sentence(random, "eng", 6),
        "label": random.randrange(3),
    }


def _sum(random: Random) -> dict[str, Any]:
    a, b = random.randrange(1, 9), random.randrange(1, 9)
    return {"question": f"Question: what is {a} and {b}?", "answer": str(a + b)}


def _thai(random: Random) -> dict[str, Any]:
    return {
        "premise": "".join(random.choices(THAI, k=6)),
        "question": "cause",
        "choice1": "".join(random.choices(THAI, k=3)),
        "choice2": "".join(random.choices(THAI, k=4)),
        "label": random.randrange(2),
    }
