"""The stand-in provider, and one thing more: it reads queues anew, so that a refresh finds changes."""

from typing import Any

from pulumi.runtime.proto import provider_pb2

from tests.e2e.standin import __main__ as standin


class SeeingStandIn(standin.StandIn):
    """Answers a read of a queue with what the embedded AWS has."""

    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:  # noqa: N802
        """Return the queue's retention as it is; other resources as they were."""
        if "aws:sqs/queue:Queue" not in request.urn:
            return super().Read(request, context)
        assert self._aws is not None
        found = self._aws.client("sqs").get_queue_attributes(QueueUrl=request.id, AttributeNames=["All"])
        seconds = int(found["Attributes"]["MessageRetentionPeriod"])
        for values in (request.properties, request.inputs):
            values["messageRetentionSeconds"] = seconds
        return super().Read(request, context)


if __name__ == "__main__":
    standin.StandIn = SeeingStandIn  # type: ignore[misc]
    standin.serve()
