"""How networks get into memory: without what they import unasked, and without a second copy of their weights."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.errors import ConfigurationError

_UNUSED = ("scipy", "sklearn", "triton")
"""
Packages that transformers and torch import where they find them, for training, assisted generation and CUDA.
"""


@contextmanager
def lean_imports() -> Iterator[None]:
    """
    Keep imports in the block from loading what nobody calls here: 200 MiB, and seconds.

    That is SciPy, scikit-learn and Triton, which the image leaves out anyway, and torch's compiler, which
    transformers loads for a kind of attention that neither network has. What is loaded already stays.
    Raises ImportError where transformers is not installed.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: as if it were not installed
    try:
        import torch
        from transformers import utils
        from transformers.utils import import_utils

        with (
            _replaced(utils, "is_torch_flex_attn_available", lambda: False),
            _replaced(import_utils, "is_torch_flex_attn_available", lambda: False),
            # what marks functions that the compiler is to leave alone imports it; there is none to leave them
            _replaced(torch.compiler, "disable", lambda *_, **__: lambda function: function),
        ):
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def weights_of_the_file() -> Iterator[None]:
    """
    Let networks that are built in the block have no weights until they load some, and then those themselves.

    Left alone, a network is built with random weights, into which those of the file are copied: for a moment
    there are two of each. For one thread at a time; buffers are built as ever.
    """
    from torch import nn

    register, load = nn.Module.register_parameter, nn.Module.load_state_dict

    def register_without_memory(self: Any, name: str, param: Any) -> None:
        register(self, name, None if param is None else nn.Parameter(param.to("meta"), param.requires_grad))

    def load_without_copy(self: Any, state_dict: Any, strict: bool = True, assign: bool = True) -> Any:  # noqa: FBT001, FBT002  # as torch has it
        nn.Module.register_parameter = register  # these weights are to stay
        try:
            return load(self, state_dict, strict=strict, assign=assign)
        finally:
            nn.Module.register_parameter = register_without_memory

    nn.Module.register_parameter = register_without_memory
    nn.Module.load_state_dict = load_without_copy
    try:
        yield
    finally:
        nn.Module.register_parameter, nn.Module.load_state_dict = register, load


def check_weights(network: Any, *, file: object) -> None:
    """Raise ConfigurationError where the file that `network` was loaded from lacked some of its weights."""
    absent = [name for name, parameter in network.named_parameters() if parameter.is_meta]
    if absent:
        raise ConfigurationError(f"{file}: holds no weights {absent[0]}, and {len(absent) - 1} others")


@contextmanager
def mapped_files() -> Iterator[None]:
    """Map files of weights into memory in place of reading them: pages that are not asked for take none."""
    from torch.utils.serialization import config

    load = config.load
    before, load.mmap = load.mmap, True
    try:
        yield
    finally:
        load.mmap = before
