"""Imports the program without the deprecation warnings of the provider's modules."""

import warnings

# The provider's modules of old names warn when they are loaded; what the program calls may not warn.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from stack.__main__ import program

__all__ = ["program"]
