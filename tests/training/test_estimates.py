"""What plans say of training stages: sizes chain, memory is refused with a way out, times follow the machine."""

from __future__ import annotations

import pytest

from newtongue.core.budget import Counts, Machine
from newtongue.core.training import Lora
from newtongue.stages.pretrain.config import Architecture, PretrainConfig, Replay
from newtongue.stages.pretrain.estimate import estimate
from newtongue.stages.sft.config import SftConfig
from newtongue.stages.sft.estimate import estimate as estimate_sft

LLAMA_8B = Counts(parameters=8_030_261_248, rows=128_256, hidden=4096, layers=32, tied=False, exact=True)
NANO = Counts(parameters=3_676_416, rows=5312, hidden=192, layers=6)
H100 = Machine(name="H100", usd_per_hour=3.0, teraflops=346, memory_gb=80)


def config(**changes: object) -> PretrainConfig:
    return PretrainConfig.model_validate({"model": "$base", "corpus": "$corpus", "tokens": 1_000_000_000} | changes)


def test_an_architecture_has_the_size_it_will_be_written_with() -> None:
    made = estimate(config(model=Architecture(), tokens=1_000_000), {}, Machine()).makes
    assert made.parameters == 3_443_136


def test_a_billion_tokens_of_an_8b_model_cost_what_is_published() -> None:
    found = estimate(config(sequence_length=8192, micro_batch=1, tokens_per_step=8192), {"$base": LLAMA_8B}, H100)
    published = 1e9 / 5762
    assert published / 1.5 <= found.seconds[1] <= published * 1.5
    assert found.seconds[0] < found.seconds[1] < found.seconds[2]
    assert found.memory_gb > 80 and found.cheaper == "lora: {rank: 16} with micro_batch: 1"


def test_adapters_fit_where_every_weight_does_not() -> None:
    small = config(lora=Lora(rank=16), micro_batch=1)
    assert estimate(small, {"$base": LLAMA_8B}, H100).memory_gb < 24
    wide = estimate(config(lora=Lora(rank=16), micro_batch=64), {"$base": LLAMA_8B}, H100)
    assert wide.memory_gb > 80 and wide.cheaper == "micro_batch: 1"


def test_the_demo_s_stages_take_minutes_and_little_memory() -> None:
    replay = Replay.model_validate({"corpus": "$replay", "share": 0.5})
    found = estimate(
        config(tokens=600_000, sequence_length=256, replay=replay), {"$base": NANO, "$corpus": Counts()}, Machine()
    )
    assert 60 < found.seconds[1] < 200 and found.memory_gb < 2
    sft = SftConfig.model_validate({"model": "$base", "data": "$rows", "epochs": 3, "sequence_length": 256})
    tuned = estimate_sft(sft, {"$base": NANO, "$rows": Counts(documents=500, utf8_bytes=150_000)}, Machine())
    assert 8 < tuned.seconds[1] < 60 and tuned.makes == NANO


def test_sampling_the_replay_costs_time() -> None:
    replay = Replay.model_validate({"sampled_from": "$base", "tokens": 10_000_000})
    counts = {"$base": LLAMA_8B}
    with_it = estimate(config(replay=replay), counts, H100).seconds[1]
    assert with_it - estimate(config(), counts, H100).seconds[1] == pytest.approx(1856, rel=0.01)


def test_several_devices_share_what_a_weight_takes() -> None:
    one, eight = (estimate(config(devices=count, micro_batch=1), {"$base": LLAMA_8B}, H100) for count in (1, 8))
    assert one.memory_gb > 140 and eight.memory_gb < 32
    with pytest.raises(ValueError, match="needs devices: 1"):
        config(devices=2, embedding_rows="new")
