"""Runs the stack through the genuine AWS provider of Terraform, against an emulator: `make test-provider`."""
