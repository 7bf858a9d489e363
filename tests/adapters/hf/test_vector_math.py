"""Every function MKL may answer inexactly is called alone, on one number, before threads share a call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from newtongue.adapters.hf.pico import make_pico

BEFORE = """
import sys
from pathlib import Path
from torch.utils._python_dispatch import TorchDispatchMode

first = {}

class Seen(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, given=(), named=None):
        first.setdefault(function.overloadpacket.__name__, getattr(given[0], "numel", lambda: 0)() if given else 0)
        return function(*given, **(named or {}))

folder = Path(sys.argv[1])
with Seen():
    %s
print(*(first.get(name, "-") for name in ("cos", "sin", "exp", "log", "sqrt")))
"""

STARTS = {
    "a stage that trains": "from newtongue.adapters.training.threads import use_threads; use_threads(2)",
    "a model that is asked": "from newtongue.adapters.hf.models import load_model; import torch; "
    "load_model(folder)(input_ids=torch.arange(64)[None] % 7)",
    "a model that is tried": "from newtongue.adapters.hf.loading import try_model; try_model(folder, [1, 2, 3], 2)",
    "an encoder": "from newtongue.adapters.hf.pooling import _load; import torch; _load(folder, torch.device('cpu'))",
}


@pytest.mark.parametrize("start", STARTS)
def test_functions_are_first_called_on_one_number(tmp_path: Path, start: str) -> None:
    folder = make_pico(tmp_path / "pico", "llama")
    command = [sys.executable, "-c", BEFORE % STARTS[start], str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1"] * 5, done.stderr
