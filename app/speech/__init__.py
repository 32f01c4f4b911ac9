"""Speech engines: one file each, all behind the Protocol of base.py."""
