"""Word times: forced alignment, and the times of words from the marks of an engine or aligner."""
