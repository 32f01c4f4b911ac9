"""Narration: text to audio, word times and subtitles, streamed to disk chunk by chunk."""
