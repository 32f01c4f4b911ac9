"""Leaves out what only `make test-image` can run, and what needs the speech extra where that is missing."""

import os
from importlib.util import find_spec

collect_ignore = [] if os.environ.get("TEST_IMAGE") else ["test_built.py"]
if not (find_spec("kokoro") and find_spec("whisperx")):
    collect_ignore.append("test_left_out.py")
