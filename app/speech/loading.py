"""Loads networks with little memory: without unused imports and without copies of the weights."""

import gc
import importlib
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

_UNUSED = ("scipy", "sklearn", "torchvision", "triton")
"""
Packages that transformers and torch import if installed: for training, assisted generation, pictures, CUDA.
"""


_COMPILER = "torch._dynamo"
_COMMANDS = "spacy.cli"
_SEGMENTS = "segments"


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable garbage collection in the block: what is loaded stays, so it only costs time."""
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
    Prevent imports in the block from loading unused modules, which saves 250 MiB and seconds.

    These are SciPy, scikit-learn, torchvision and Triton (the image leaves them out), torch's compiler
    (transformers only decorates functions for it), spaCy's commands, and phonemizer's backend for text that
    is phonemes already. Modules that are loaded already stay. Raises ImportError if transformers is not
    installed.
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
    # None in sys.modules makes an import fail as if the package were not installed
    stand_ins = dict.fromkeys(_UNUSED) | _no_compiler() | _no_commands() | _no_segments()
    hidden = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _no_compiler() -> dict[str, ModuleType]:
    """Return stand-ins for what transformers takes of torch's compiler: no-op decorators and a lazy class."""
    inner_name = f"{_COMPILER}._trace_wrapped_higher_order_op"
    compiler, inner = ModuleType(_COMPILER), ModuleType(inner_name)
    compiler.__dict__.update(allow_in_graph=_no_op_decorator, disable=_no_op_decorator)
    inner.__dict__.update(
        TransformGetItemToIndex=lambda: importlib.import_module(inner_name).TransformGetItemToIndex()
    )
    return {_COMPILER: compiler, inner_name: inner}


def _no_commands() -> dict[str, ModuleType]:
    """Return stand-ins for what spaCy imports of its command line: one function that it re-exports."""
    commands, information = ModuleType(_COMMANDS), ModuleType(f"{_COMMANDS}.info")
    commands.__path__ = []
    information.__dict__.update(info=None)
    return {_COMMANDS: commands, information.__name__: information}


def _no_segments() -> dict[str, ModuleType]:
    """Return a stand-in for the package whose names phonemizer uses in annotations."""
    segments = ModuleType(_SEGMENTS)
    segments.__dict__.update(Profile=None, Tokenizer=None)
    return {_SEGMENTS: segments}


def _no_op_decorator(function: Any = None, *_: object, **__: object) -> Any:
    return _no_op_decorator if function is None else function


@contextmanager
def without_copies(*files: Path) -> Iterator[None]:
    """
    Let networks that are built in the block use the memory-mapped weights of `files`.

    By default, torch fills a network with random weights, reads the whole file and copies its weights: twice
    the memory, and time. A mapped file takes memory only for the pages in use. torch maps archives of its
    version 1.6 and later and reads older ones. Not thread-safe.
    """
    from torch import nn
    from torch.utils.serialization import config

    with lean_imports():  # transformers decides at its first import what it takes to be installed
        from transformers.modeling_utils import no_init_weights

    load, mapped = nn.Module.load_state_dict, config.load.mmap

    def load_without_copy(self: Any, state_dict: Any, strict: bool = True, assign: bool = True) -> Any:  # noqa: FBT001, FBT002  # the signature of torch
        return load(self, state_dict, strict=strict, assign=assign)

    nn.Module.load_state_dict = load_without_copy
    config.load.mmap = all(zipfile.is_zipfile(file) for file in files)
    try:
        with no_init_weights():
            yield
    finally:
        nn.Module.load_state_dict, config.load.mmap = load, mapped
