"""
Bounds for runs without white space, which G2P cannot take at any length.

misaki's time is cubic in the parts of a run, and espeak-ng overruns its buffers: both get short words only.
"""

import re

from app.text.spoken.base import Editor

_RUN = re.compile(r"\S{25,}")
_JOINT = re.compile(r"[^\w\s]|_")
_SPEAKABLE = re.compile(r"[^\W_]")
_PAUSES = frozenset(".,;:!?")
_MAX_PARTS = 8
_MAX_RUN = 48
"""Characters of a run; longer than any word of a language with spaces."""
_PART = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)


def bound_runs(editor: Editor) -> None:
    """Part long runs: at their joints (`a/b/c/...`), else after a number of characters."""
    for run in _RUN.finditer(editor.text):
        start, end = run.span()
        if _UNSPACED.search(editor.text, start, end):
            continue
        if not _SPEAKABLE.search(editor.text, start, end):
            editor.replace_free(start, end, "")
            continue
        parts = sum(1 for _ in _PART.finditer(editor.text, start, end))
        if parts > _MAX_PARTS:
            for joint in _JOINT.finditer(editor.text, start + 1, end - 1):
                if editor.is_free(*joint.span()):
                    mark = joint.group()
                    editor.replace(*joint.span(), f"{mark} " if mark in _PAUSES else " ")
        _cut_words(editor, start, end)


def _cut_words(editor: Editor, start: int, end: int) -> None:
    """Insert a space after each stretch of `_MAX_RUN` characters that has no other break."""
    length = 0
    for position in range(start, end):
        if not editor.is_free(position, position + 1):
            length = 0
            continue
        length += 1
        if length == _MAX_RUN and position + 1 < end:
            editor.replace(position, position + 1, f"{editor.text[position]} ")
            length = 0
