"""Samples to sound files: signal processing and encoders."""
