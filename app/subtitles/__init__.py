"""From spoken chunks to subtitles: when each word is heard, which cues they form, how files spell them."""
