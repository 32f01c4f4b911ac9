"""Subtitles: words with times to cues and files."""
