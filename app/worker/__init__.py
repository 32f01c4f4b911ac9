"""The worker: receives jobs, narrates them, stores the media, commits the rows."""
