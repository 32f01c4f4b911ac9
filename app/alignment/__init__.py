"""When each word is heard: forced alignment, and word times from whatever marks there are."""
