"""Files of trained models: manifest, download and verification."""
