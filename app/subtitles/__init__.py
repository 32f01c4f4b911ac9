"""Words and their times to subtitle cues and files."""
