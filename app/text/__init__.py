"""A story as text: words, sentences, and the chunks that an engine speaks in one go."""
