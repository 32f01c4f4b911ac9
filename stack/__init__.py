"""The Pulumi program: the cloud that the worker runs in."""
