"""A soak in small, and the parts that its verdict rests on: the schedule and the checker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.job import RowKey
from app.local.platform import Platform
from tests.chaos.checker import violations
from tests.chaos.faults import DELIVERIES_WITH_FAULTS, Kind, Schedule
from tests.chaos.fleet import guarded_worker
from tests.chaos.journal import Journal
from tests.chaos.soak import soak
from tests.chaos.stories import UNKNOWN_VOICE, UNSPEAKABLE, Story, story_of
from tests.ministack import on_both_emulators
from tests.workers import LEASE_SECS, Jobs, until


def planned(seed: int) -> list[str]:
    """Return the schedule of a seed, spelled."""
    schedule = Schedule(seed=seed, lease_secs=LEASE_SECS)
    return [
        f"{number} {copy} {delivery} {fault}"
        for number in range(100)
        for copy in range(1 + bool(story_of(seed, number).copy))
        for delivery in range(1, DELIVERIES_WITH_FAULTS + 2)
        for fault in schedule.plan(number, copy, delivery).faults
    ]


def test_a_seed_is_a_schedule() -> None:
    """A seed always plans the same faults for the same jobs, and no faults after a few deliveries."""
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)
    assert [story_of(3, number) for number in range(50)] == [story_of(3, number) for number in range(50)]
    assert Schedule(seed=1, lease_secs=1).plan(1, 0, DELIVERIES_WITH_FAULTS + 1).faults == ()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_fault_is_planned(kind: Kind) -> None:
    """A hundred jobs meet every kind of fault there is."""
    assert any(str(kind) in line for line in planned(1))


@pytest.mark.slow
def test_a_soak_ends_without_a_violation(platform: Platform) -> None:
    """Kills, pauses and duplicates violate no invariant; `make chaos` runs them by the thousand."""
    figures = soak(platform.endpoint_url, jobs=16, seed=7)
    assert figures.violations == []
    assert figures.faults[Kind.KILL] > 0
    assert figures.faults[Kind.PAUSE] > 0
    assert figures.duplicates > 0


class Ended:
    """Jobs of every form that a worker has ended, to be damaged."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.jobs, self.journal, self.bucket = Jobs(platform), Journal(), platform.bucket
        self.stories = [
            Story(1, {"text": "The <i>cat</i> & the dog sat by the old stove until it was cold.\n\nIt was."}),
            Story(2, {"formats": ["opus", "wav"]}, is_direct=True, in_envelope=True),
            Story(3, {"formats": ["flac", "mp3"]}, in_envelope=True),
            Story(4, {"text": UNSPEAKABLE}),
            Story(5, {"text": "", "voice": UNKNOWN_VOICE}, is_large=True),
            Story(6, is_json=False),
        ]
        with guarded_worker(platform, self.journal, folder):
            for story in self.stories:
                body = story.body(platform=platform)
                if story.is_json and not story.is_direct:
                    self.jobs.tasks.create(*story.rows(self.bucket), source_prompt="test")
                story.bodies[self.jobs.send(body)] = body
            until(lambda: len(self.journal.deleted_messages) == len(self.stories))

        self.letters = self.jobs.dead_letters()
        self.objects = self._objects()
        self.rows = self._rows()

    def _objects(self) -> dict[str, dict[str, Any]]:
        s3 = self.jobs.s3
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=self.bucket)["Contents"]]
        found = {}
        for key in keys:
            answer = s3.get_object(Bucket=self.bucket, Key=key)
            found[key] = {"Body": answer["Body"].read(), "ContentType": answer["ContentType"]}
        return found

    def _rows(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.dynamodb.scan(TableName=self.jobs.platform.table)["Items"]
        return items

    @property
    def dynamodb(self) -> Any:
        """The client that the jobs are written with."""
        return self.jobs.tasks._dynamodb

    def content(self, key: str) -> bytes:
        """Return the content of an object as its worker stored it."""
        return bytes(self.objects[key]["Body"])

    def put(self, key: str, content: bytes) -> None:
        """Write to the bucket, as no worker would."""
        self.jobs.s3.put_object(
            Bucket=self.bucket, Key=key, **(self.objects.get(key, {}) | {"Body": content})
        )

    def broken(self, letters: list[dict[str, Any]] | None = None) -> set[str]:
        """Return the invariants that the checker finds broken, with these letters; undo all damage."""
        taken = self.letters if letters is None else letters
        self.jobs.dead_letters = lambda: taken  # type: ignore[method-assign]
        found = violations(self.stories, self.jobs, self.journal)
        print(*found, sep="\n")
        s3, table = self.jobs.s3, self.jobs.platform.table
        for key in self._objects().keys() - self.objects.keys():
            s3.delete_object(Bucket=self.bucket, Key=key)
        for key, stored in self.objects.items():
            self.put(key, stored["Body"])
        for upload in s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for row in self._rows():
            self.dynamodb.delete_item(TableName=table, Key={name: row[name] for name in ("id", "task_id")})
        for row in self.rows:
            self.dynamodb.put_item(TableName=table, Item=row)
        return {violation.invariant for violation in found}


@pytest.fixture
def ended(platform: Platform, tmp_path: Path) -> Ended:
    """Jobs of every form that a worker has ended."""
    return Ended(platform, tmp_path)


@on_both_emulators
def test_jobs_of_every_form_end_as_they_must(ended: Ended) -> None:
    """Every form of a job, undisturbed: media, rows, codes and letters are right."""
    assert ended.broken() == set()
    statuses = [row["status"]["S"] for row in ended.rows if "status" in row]
    assert (statuses.count("COMPLETED"), statuses.count("FAILED")) == (5, 4)
    assert len(ended.letters) == 3


@pytest.mark.slow
def test_the_checker_sees_what_is_broken(ended: Ended) -> None:
    """Each damage to rows, objects and letters violates the invariants that it belongs to."""
    jobs, content, put = ended.jobs, ended.content, ended.put
    audio, failed = ended.stories[0].rows("")[0], ended.stories[3].rows("")[0]
    srt, vtt, wav, words = (f"chaos-1/{name}" for name in ("srt.srt", "srt.vtt", "tts.wav", "srt.words.json"))
    damages: list[tuple[str, Callable[[], object]]] = [
        ("I5", lambda: jobs.write(audio, "SET sparse_gsi_hash_key = :hash", hash="x")),
        ("I3", lambda: put(words, content(words) + b"\n")),
        ("I3 I6", lambda: put(words, content(words)[:-9])),
        ("I3 I6", lambda: put(vtt, content("chaos-3/srt.vtt"))),
        ("I3 I6", lambda: put(srt, content(vtt))),
        ("I3 I6", lambda: put(wav, content("chaos-2/tts.wav"))),
        ("I3 I6", lambda: put(wav, content(wav)[:44])),
        ("I3 I6", lambda: put("chaos-3/tts.mp3", content("chaos-3/tts.flac"))),
        ("I6", lambda: jobs.write(audio, "SET duration_seconds = :secs", secs=1)),
        ("I6", lambda: jobs.write(audio, "SET flac_url = :url", url="s3://elsewhere/words.flac")),
        ("I1 I2 I4 I8", lambda: jobs.write_anew(audio)),
        ("I7", lambda: jobs.write(failed, "SET error_code = :code", code="POISONED")),
        ("I8", lambda: jobs.write_anew(RowKey("of nobody", "tts"))),
        ("I9", lambda: put("chaos-1/.segments/1", b"left")),
        ("I9", lambda: jobs.s3.create_multipart_upload(Bucket=ended.bucket, Key=wav)),
        ("I1", lambda: jobs.send("a message that nobody sent")),
    ]
    found = [(damage(), " ".join(sorted(ended.broken())))[1] for _, damage in damages]
    assert [expected for expected, _ in damages] == found


@pytest.mark.slow
def test_the_checker_reads_the_letters(ended: Ended) -> None:
    """A job without its letter is lost; a letter with a wrong code, of another message or job is wrong."""
    one, *others = ended.letters
    done = {"StringValue": next(iter(ended.stories[0].bodies))}

    def with_attribute(name: str, value: dict[str, str]) -> list[dict[str, Any]]:
        return [{**one, "MessageAttributes": {**one["MessageAttributes"], name: value}}, *others]

    assert ended.broken(others) == {"I1"}
    assert ended.broken(with_attribute("error_code", {"StringValue": "POISONED"})) == {"I7"}
    assert ended.broken(with_attribute("original_message_id", done)) == {"I1", "I7"}
    assert ended.broken([*ended.letters, *with_attribute("original_message_id", done)]) == {"I7"}
    assert ended.broken([{**one, "Body": "another", "MessageAttributes": {}}, *ended.letters]) == {"I7"}


@pytest.mark.slow
def test_the_checker_sees_a_lost_job(platform: Platform) -> None:
    """A message that is gone while its rows are PENDING is a lost job."""
    jobs, journal, lost = Jobs(platform), Journal(), Story(1, bodies={"a message": "{}"})
    journal.deleted_messages.add("a message")
    jobs.tasks.create(*lost.rows(""), source_prompt="test")
    assert {violation.invariant for violation in violations([lost], jobs, journal)} == {"I1", "I8"}
