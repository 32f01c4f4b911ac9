"""The speech child: a process of its own for native code and models, and how the worker talks to it."""
