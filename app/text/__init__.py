"""A story as text: words, sentences, and the chunks that an engine synthesizes in one call."""
