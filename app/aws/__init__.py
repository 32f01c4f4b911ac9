"""Adapters for AWS, one service per module; the SDK's errors become our own types here."""
