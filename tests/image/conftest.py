"""Without the speech extra there are no packages to leave out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("kokoro") and find_spec("whisperx") else ["test_left_out.py"]
