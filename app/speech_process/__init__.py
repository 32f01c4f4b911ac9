"""The speech process: a child process for native code and models, and the interface to it."""
