"""Segments: the parts of a narration, some minutes each, that are stored as they are finished."""
