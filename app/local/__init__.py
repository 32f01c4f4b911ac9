"""The embedded AWS for demonstration and development."""
