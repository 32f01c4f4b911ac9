"""Text to sentences to chunks to audio and words; streams, and never holds a story's audio."""
