"""The spoken form of a text: what an engine is to say for what is written, with source spans kept."""
