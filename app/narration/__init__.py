"""From text to audio, word times and subtitles, in a stream that never holds a story's audio."""
