"""Jobs, and what tests do to their rows in the table in DynamoDB and in the one in memory."""

from dataclasses import replace

from app.aws.claims import Claim
from app.aws.rows import Row
from app.aws.tasks import Tasks
from app.job import Destination, Job, RowKey, S3Address
from tests.app.worker.in_memory_tasks import InMemoryTasks

AUDIO, SUBTITLES = RowKey("story-1", "a1"), RowKey("story-1", "b2")
DESTINATION = Destination(S3Address("story-video-data", "a.wav"), S3Address("story-video-data", "b.srt"))
STORY = Job("Once.", "af_heart", 1.0, True, DESTINATION, AUDIO, SUBTITLES)
DIRECT = replace(STORY, audio_row=RowKey("s3://story-video-data/a.wav", "direct"), subtitles_row=None)

AnyTasks = Tasks | InMemoryTasks


def row(tasks: AnyTasks, key: RowKey) -> Row:
    """Return a row that must exist."""
    found = tasks.read(key)
    assert found is not None
    return found


def claimed(tasks: AnyTasks, job: Job = STORY, *, lease_secs: float = 60) -> Claim:
    """Claim a job that must be free."""
    claim = tasks.claim(job, lease_secs=lease_secs, message_id="m")
    assert isinstance(claim, Claim)
    return claim


def set_status(tasks: AnyTasks, task_id: str, status: str) -> None:
    """Write a status as another service would."""
    if isinstance(tasks, InMemoryTasks):
        tasks.rows[RowKey("story-1", task_id)]["status"] = status
        return
    tasks._dynamodb.update_item(
        TableName=tasks._table,
        Key={"id": {"S": "story-1"}, "task_id": {"S": task_id}},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
    )


def replace_row(tasks: AnyTasks, key: RowKey) -> None:
    """Write a row anew, as a producer does with PutItem."""
    item = {"id": key.id, "task_id": key.task_id, "status": "PENDING", "sparse_gsi_hash_key": key.id}
    if isinstance(tasks, InMemoryTasks):
        tasks.rows[key] = dict(item)
        return
    tasks._dynamodb.put_item(TableName=tasks._table, Item={name: {"S": item[name]} for name in item})


def delete(tasks: AnyTasks, key: RowKey) -> None:
    """Delete a row, or never have it."""
    if isinstance(tasks, InMemoryTasks):
        del tasks.rows[key]
        return
    tasks._dynamodb.delete_item(
        TableName=tasks._table, Key={"id": {"S": key.id}, "task_id": {"S": key.task_id}}
    )
