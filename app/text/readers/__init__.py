"""
Readers: from any usual file to the text that is narrated, with its headings.

`files.py` finds out what a file is (`formats.py`) and calls the reader of its format. Every reader builds a
`StoryText` (`base.py`). Files are untrusted: sizes are limited before anything is unpacked, no entity is
expanded, nothing is fetched, and nothing is written to disk.
"""
