"""What is not imported, and whose memory weights are in."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.speech import loading, native

pytestmark = pytest.mark.speech

_IMPORTS = """
import sys, warnings
warnings.simplefilter("ignore")
from app.speech import loading
with loading.lean_imports():
    import kokoro, whisperx.alignment
from transformers.utils import is_torch_flex_attn_available
left_out = "scipy", "sklearn", "torchvision", "triton", "torch._dynamo", "spacy.cli", "segments", "csvw"
print([name for name in left_out if name in sys.modules])
print(is_torch_flex_attn_available())
import torch._dynamo, scipy, segments, spacy.cli
print([torch._dynamo.__file__ is not None, callable(segments.Tokenizer), callable(spacy.cli.download)])
"""


def test_the_packages_come_without_what_they_do_not_need() -> None:
    """Importing both packages loads no compiler, SciPy and the like; afterwards each can be had as ever."""
    ran = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == ["[]", "True", "[True, True, True]"], ran.stderr


def test_garbage_is_collected_again_after_loading() -> None:
    """Nothing is collected in the block; after it, and after an error in it, all is as before."""

    def fail() -> None:
        with loading.gc_disabled():
            seen.append(gc.isenabled())
            raise RuntimeError("inside")

    seen: list[bool] = []
    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert [*seen, gc.isenabled()] == [False, True]


def test_a_network_takes_the_weights_that_it_is_given(torch: Any) -> None:
    """No copy is made, in any kind of layer, and what was there before the block is there after it."""
    nn = torch.nn
    load, fill = nn.Module.load_state_dict, nn.init.normal_
    source = nn.ModuleDict(
        {"lstm": nn.LSTM(4, 4), "conv": nn.Conv1d(4, 4, 3), "embedding": nn.Embedding(4, 4)}
    )
    state = source.state_dict()
    with loading.without_copies():
        network = nn.ModuleDict(
            {"lstm": nn.LSTM(4, 4), "conv": nn.Conv1d(4, 4, 3), "embedding": nn.Embedding(4, 4)}
        )
        network.load_state_dict(state)
    assert {name: tensor.data_ptr() for name, tensor in state.items()} == {
        name: tensor.data_ptr() for name, tensor in network.state_dict().items()
    }
    frames = torch.randn(5, 1, 4)
    torch.testing.assert_close(network["lstm"](frames)[0], source["lstm"](frames)[0])
    assert (load, fill) == (nn.Module.load_state_dict, nn.init.normal_)


def test_a_file_of_weights_is_mapped(torch: Any, tmp_path: Path) -> None:
    """Weights lie in the file's own pages, which can be let go and come back; only inside the block."""
    torch.save({"weight": torch.ones(1 << 20)}, tmp_path / "weights.pth")
    with loading.without_copies(tmp_path / "weights.pth"):
        state = torch.load(tmp_path / "weights.pth", weights_only=True)
    (mapping,) = native.mappings(tmp_path)
    assert mapping[0] <= state["weight"].data_ptr() < sum(mapping)
    native.unload([mapping])
    assert state["weight"].sum() == 1 << 20
    del state
    state = torch.load(tmp_path / "weights.pth", weights_only=True)
    assert (native.mappings(tmp_path), len(state)) == ([], 1)


def test_an_old_file_of_weights_is_read(torch: Any, tmp_path: Path) -> None:
    """Before its version 1.6 torch wrote no archives, and such a file cannot be mapped: it loads as ever."""
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.ones(4)}, path, _use_new_zipfile_serialization=False)
    with loading.without_copies(path):
        assert torch.load(path, weights_only=True)["weight"].sum() == 4
