"""Signal processing and audio encoders: samples to sound files."""
