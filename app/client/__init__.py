"""Client-side features, for producers and operators: submit, follow, narrate files, check a service."""
