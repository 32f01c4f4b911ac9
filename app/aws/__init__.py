"""Queue, objects and task rows: one technology a file, and the vendor's errors end here."""
