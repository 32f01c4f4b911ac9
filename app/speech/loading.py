"""How networks get into memory: without imports that nobody calls, and with no copy of their weights."""

import gc
import importlib
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_UNUSED = ("scipy", "sklearn", "triton")
"""
Packages that transformers and torch import where they find them, for training, assisted generation and CUDA.
"""


_COMPILER = "torch._dynamo"
_COMMANDS = "spacy.cli"
_SEGMENTS = "segments"


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Search for no garbage in the block: what is loaded stays, and the search is a tenth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def lean_imports() -> Iterator[None]:
    """
    Keep imports in the block from loading what nobody calls here: 250 MiB, and seconds.

    That is SciPy, scikit-learn and Triton, which the image leaves out anyway, torch's compiler, which
    transformers loads to mark functions for it, spaCy's commands, and the tables of phonemizer's backend for
    texts that are phonemes already. What is loaded already stays. Raises ImportError where transformers is
    not installed.
    """
    with gc_disabled(), _without_unused():
        from transformers import utils
        from transformers.utils import import_utils

        before = utils.is_torch_flex_attn_available
        utils.is_torch_flex_attn_available = import_utils.is_torch_flex_attn_available = lambda: False
        try:
            yield
        finally:
            utils.is_torch_flex_attn_available = import_utils.is_torch_flex_attn_available = before


@contextmanager
def _without_unused() -> Iterator[None]:
    # None: as if it were not installed
    stand_ins = dict.fromkeys(_UNUSED) | _no_compiler() | _no_commands() | _no_segments()
    hidden = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _no_compiler() -> dict[str, ModuleType]:
    """Return what transformers imports of torch's compiler: marks that mark nothing, and a lazy class."""
    inner_name = f"{_COMPILER}._trace_wrapped_higher_order_op"
    compiler, inner = ModuleType(_COMPILER), ModuleType(inner_name)
    compiler.__dict__.update(allow_in_graph=_unmarked, disable=_unmarked)
    inner.__dict__.update(
        TransformGetItemToIndex=lambda: importlib.import_module(inner_name).TransformGetItemToIndex()
    )
    return {_COMPILER: compiler, inner_name: inner}


def _no_commands() -> dict[str, ModuleType]:
    """Return what spaCy imports of its commands to offer one of them as a function of its own."""
    commands, information = ModuleType(_COMMANDS), ModuleType(f"{_COMMANDS}.info")
    commands.__path__ = []
    information.__dict__.update(info=None)
    return {_COMMANDS: commands, information.__name__: information}


def _no_segments() -> dict[str, ModuleType]:
    """Return what phonemizer names of the package in annotations."""
    segments = ModuleType(_SEGMENTS)
    segments.__dict__.update(Profile=None, Tokenizer=None)
    return {_SEGMENTS: segments}


def _unmarked(function: Any = None, *_: object, **__: object) -> Any:
    return _unmarked if function is None else function


@contextmanager
def without_copies(*files: Path) -> Iterator[None]:
    """
    Let networks that are built in the block take their weights from the pages of `files` themselves.

    Left alone, a network is filled with random weights first, and then with those of the file, which is read
    as a whole: that takes time, and two of each. Here the file is mapped into memory, where pages that nobody
    asks for take none; torch can map the archives that it writes since 1.6, and reads what is older. For one
    thread at a time.
    """
    from torch import nn
    from torch.utils.serialization import config
    from transformers.modeling_utils import no_init_weights

    load, mapped = nn.Module.load_state_dict, config.load.mmap

    def load_without_copy(self: Any, state_dict: Any, strict: bool = True, assign: bool = True) -> Any:  # noqa: FBT001, FBT002  # as torch has it
        return load(self, state_dict, strict=strict, assign=assign)

    nn.Module.load_state_dict = load_without_copy
    config.load.mmap = all(zipfile.is_zipfile(file) for file in files)
    try:
        with no_init_weights():
            yield
    finally:
        nn.Module.load_state_dict, config.load.mmap = load, mapped
