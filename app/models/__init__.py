"""The files of trained models: which there are, where they come from, whether they are intact."""
