"""The worker and its command line: stories in from a queue, narrated audio with subtitles out."""
