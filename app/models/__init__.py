"""
The files of trained models: which there are, where they come from, and whether they are what they should be.
"""
