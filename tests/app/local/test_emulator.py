"""The embedded AWS lasts as long as a run of jobs does."""

import os
import socket
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.errors import LocalServiceError
from app.job import RowKey
from app.local.emulator import Emulator, emulator
from app.local.platform import Platform, create_platform


@pytest.mark.slow
def test_a_transaction_that_fails_changes_no_row(platform: Platform) -> None:
    """Of two updates the second is refused: the first is undone, and so is a row that was put or deleted."""
    dynamodb = platform.client("dynamodb")
    keys = [RowKey("story-1", name) for name in ("updated", "refused", "deleted")]
    for key in keys:
        dynamodb.put_item(TableName=platform.table, Item=_item(key, "PENDING"))
    before = dynamodb.scan(TableName=platform.table)["Items"]
    updated, refused, deleted = (
        {"TableName": platform.table, "Key": {"id": {"S": key.id}, "task_id": {"S": key.task_id}}}
        for key in keys
    )
    change = {
        "UpdateExpression": "SET progress = :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    put = {"TableName": platform.table, "Item": _item(RowKey("story-2", "put"), "PENDING")}
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Update": updated | change},
                {"Put": put},
                {"Delete": deleted},
                {"Update": refused | change | {"ConditionExpression": "attribute_exists(progress)"}},
            ]
        )
    assert dynamodb.scan(TableName=platform.table)["Items"] == before


@pytest.mark.slow
def test_commits_leave_no_memory_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a transaction copies of its table is let go: a long run of jobs does not fill the machine."""
    rows, commits, most_mib = 300, 150, 12
    with emulator() as address:
        platform = create_platform(address)
        for name, value in platform.environment().items():
            monkeypatch.setenv(name, value)
        dynamodb = platform.client("dynamodb")
        keys = [RowKey(f"story-{number}", "tts") for number in range(rows)]
        for key in keys:
            dynamodb.put_item(TableName=platform.table, Item=_item(key, "PENDING"))
        before = emulators_memory_mib()
        for key in keys[:commits]:
            put = {"Put": {"TableName": platform.table, "Item": _item(key, "COMPLETED")}}
            dynamodb.transact_write_items(TransactItems=[put])
        assert emulators_memory_mib() - before < most_mib


@pytest.mark.slow
def test_jobs_that_were_passed_on_leave_no_memory_behind() -> None:
    """The topic keeps nothing of what it delivered."""
    jobs, job_bytes, most_mib = 60, 1_000_000, 20
    with emulator() as address:
        platform = create_platform(address)
        sns = platform.client("sns")
        # Not for the queue: without TASK_TYPE the subscription filters it out.
        before = emulators_memory_mib()
        for _ in range(jobs):
            sns.publish(TopicArn=platform.topic_arn, Message="x" * job_bytes)
        assert emulators_memory_mib() - before < most_mib


@pytest.mark.slow
def test_a_talkative_emulator_goes_on() -> None:
    """What moto prints is read: after more than a pipe holds it still answers."""
    service = "unknown" * 500
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{service}/aws4_request"}
    with Emulator() as running:
        for _ in range(40):
            assert ask(running.address, **signed) >= 400
        assert service in running.last_line
        assert running.is_running


@pytest.mark.slow
def test_a_taken_port_is_an_error_that_names_it() -> None:
    """An emulator that cannot listen ends at once and says why."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(LocalServiceError, match=f"port {server.getsockname()[1]} is in use"),
        Emulator(port=server.getsockname()[1]),
    ):
        pass


def ask(address: str, method: str = "GET", path: str = "/", **headers: str) -> int:
    """Send one request, and return the status of its answer."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _item(key: RowKey, status: str) -> dict[str, Any]:
    return {"id": {"S": key.id}, "task_id": {"S": key.task_id}, "status": {"S": status}}


def emulators_memory_mib() -> float:
    """Return what the emulators that this process has started hold in memory."""
    listing = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    children = [pid for file in listing for pid in file.read_text().split()]
    return sum(
        _resident_mib(pid) for pid in children if b"moto_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def _resident_mib(pid: str) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
