"""Commands that people and workflows run against a deployed stack: `python -m ops COMMAND`."""
