"""A test double of two Pulumi providers, over gRPC to the real engine and over HTTP to the embedded AWS.

It stands in for pulumi-resource-aws and pulumi-resource-docker-build, which are downloads that a test must
not need. What it shows: that the program, the engine and the SDK agree (previews, ups, replacements,
destroys, references, secrets), that every property the program writes exists in the provider's schema, and
that AWS's interfaces, as moto has them, take what the program asks for. What it does not show: the real
provider's waiters, its own defaults, and what AWS checks and moto does not; an ECS service starts no task
there, and is steady at once.
"""
