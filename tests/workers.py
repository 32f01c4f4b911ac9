"""Real workers for tests: processes, their logs, and the jobs they are given."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from signal import Signals
from typing import Any
from uuid import uuid4

from app.aws.rows import PENDING, Row, marshal
from app.aws.session import AwsClients
from app.aws.tasks import Tasks
from app.job import RowKey
from app.local.emulator import REGION
from app.local.platform import Platform
from app.local.service import reserved_port
from tests import logs

LEASE_SECS = 3
PATIENCE_SECS = 240.0
"""For conditions that hold within seconds on an idle machine, and take ten times as long on a loaded one."""


def until(condition: Callable[[], Any], *, secs: float = PATIENCE_SECS, every_secs: float = 0.02) -> Any:
    """Return the first truthy answer of `condition`; fail where none came."""
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(every_secs)
    message = f"the condition did not come to hold within {secs:g} s"
    raise AssertionError(message)


class WorkerProcess:
    """A worker as the container runs it."""

    def __init__(self, platform: Platform, folder: Path, *arguments: str, **environment: str) -> None:
        self._reserved_port = reserved_port()
        self.port = int(self._reserved_port.getsockname()[1])
        self.work_dir = folder / "work"
        name = uuid4().hex[:8]
        self.log_path, self.metrics_path = folder / f"{name}.log", folder / f"{name}.metrics"
        settings = {
            "SPEECH_ENGINE": "espeak",
            "PORT": str(self.port),
            "LEASE_SECS": str(LEASE_SECS),
            "RECEIVE_WAIT_SECS": "1",
            "STOP_TIMEOUT_SECS": "20",
            "LOG_FORMAT": "json",
            "WORK_DIR": str(self.work_dir),
            "AWS_SECRET_ACCESS_KEY": logs.SECRET,
            "AWS_SESSION_TOKEN": logs.TOKEN,
        }
        with self.log_path.open("wb") as log, self.metrics_path.open("wb") as metrics:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker", "--host", "127.0.0.1", *arguments],
                env=os.environ | platform.environment() | settings | environment,
                stdin=subprocess.DEVNULL,
                stdout=metrics,
                stderr=log,
            )

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged so far; a line that is no JSON fails the test."""
        whole, _, _ = self.log_path.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return its log's lines of `event`."""
        return [line for line in self.log if line["event"] == event]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The embedded-metric documents it wrote so far."""
        return [json.loads(line) for line in self.metrics_path.read_text().splitlines()]

    @property
    def children(self) -> list[int]:
        """The processes it started, directly."""
        listing = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for file in listing for pid in file.read_text().split()]

    def signal(self, number: Signals) -> bool:
        """Send it a signal; return whether it lived."""
        if self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    def wait(self, secs: float = PATIENCE_SECS) -> int:
        """Return its exit code once it has ended."""
        return self.process.wait(timeout=secs)

    def end(self) -> None:
        """End it, whatever state it is in, and read its logs for what they may not hold."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reserved_port.close()
        logs.check(self.log_path, self.metrics_path)


@contextmanager
def worker(platform: Platform, *arguments: str, **environment: str) -> Iterator[WorkerProcess]:
    """Run a worker for the block; it is gone after it, and what it left on disk too."""
    with tempfile.TemporaryDirectory(prefix="story-tts-test-") as folder:
        process = WorkerProcess(platform, Path(folder), *arguments, **environment)
        try:
            yield process
        finally:
            process.end()


class Jobs:
    """Jobs as a producer makes them, and what became of them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.sqs = platform.client("sqs")
        self.s3 = platform.client("s3")
        self.tasks = Tasks(
            dynamodb=AwsClients(region=REGION).client("dynamodb"), table=platform.table, owner="test"
        )

    def story(self, text: str, *, rows: bool = True, group: str | None = None, **fields: Any) -> RowKey:
        """Send a story job, and return the key of its audio row; the subtitles' row is `-srt`."""
        audio = RowKey(f"story-{uuid4().hex[:12]}", "tts")
        if rows:
            self.tasks.create(audio, RowKey(audio.id, "srt"), source_prompt="test")
        body = {"text": text, "parent_id": audio.id, "tts_task_id": "tts", "srt_task_id": "srt"} | fields
        self.send(json.dumps(body), group=group)
        return audio

    def send(self, body: str, *, group: str | None = None) -> str:
        """Send any body, and return the id of the message."""
        logs.remember(body)
        parameters = {"MessageGroupId": group} if group else {}
        answer = self.sqs.send_message(QueueUrl=self.platform.queue_url, MessageBody=body, **parameters)
        return str(answer["MessageId"])

    def row(self, key: RowKey) -> Row:
        """Return a row that must exist."""
        row = self.tasks.read(key)
        assert row is not None
        return row

    def write(self, key: RowKey, update: str, condition: str = "", **values: str | int) -> None:
        """Update a row, as no worker would; `#status` is the status. Raises what boto3 raises."""
        given: dict[str, Any] = {
            f":{name}": {"N" if isinstance(value, int) else "S": str(value)} for name, value in values.items()
        }
        names = {"#status": "status"} if "#status" in update else {}
        self.tasks._dynamodb.update_item(
            TableName=self.platform.table,
            Key={"id": {"S": key.id}, "task_id": {"S": key.task_id}},
            UpdateExpression=update,
            **({"ExpressionAttributeValues": given} if given else {}),
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ConditionExpression": condition} if condition else {}),
        )

    def write_anew(self, key: RowKey) -> None:
        """Put a row as its producer creates it, over whatever there is."""
        row = {"id": key.id, "task_id": key.task_id, "status": PENDING, "sparse_gsi_hash_key": key.id}
        self.tasks._dynamodb.put_item(TableName=self.platform.table, Item=marshal(row))

    def status(self, key: RowKey) -> str:
        """Return the status of a row."""
        return str(self.row(key)["status"])

    def wait_for(self, key: RowKey, status: str) -> Row:
        """Return the row once it has `status`."""
        until(lambda: self.status(key) == status)
        return self.row(key)

    def depth(self, url: str | None = None) -> int:
        """Return how many messages the queue holds, in whatever state."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        answer = self.sqs.get_queue_attributes(QueueUrl=url or self.platform.queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return the dead letters, and remove them."""
        letters: list[dict[str, Any]] = []
        url = self.platform.dead_letter_queue_url
        while batch := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            letters += batch
        for letter in letters:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        return letters

    def media(self, row: Row) -> bytes:
        """Return the bytes that a row's media_url names, which must be those whose digest the row holds."""
        bucket, _, key = str(row["media_url"]).removeprefix("s3://").partition("/")
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert sha256(content).hexdigest() == row["media_sha256"]
        return content
