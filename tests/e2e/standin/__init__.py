"""A stand-in for two Pulumi providers: gRPC to the real engine, HTTP to the embedded AWS.

It replaces pulumi-resource-aws and pulumi-resource-docker-build, which a test must not download. It shows
that program, engine and SDK agree (preview, up, replacement, destroy, references, secrets), that every
property the program sets exists in the provider's schema, and that the AWS APIs, as botocore and moto know
them, accept the requests. It does not show the real provider's waiters and defaults, nor what AWS checks and
moto does not. An ECS service starts no task and is steady at once.
"""
