"""What is measured: each module is a command, each with a make target and a line in README.md."""
