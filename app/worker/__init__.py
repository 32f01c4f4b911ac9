"""The worker: receives jobs, narrates them, stores the media and commits the task rows."""
