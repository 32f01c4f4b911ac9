"""Events about ended jobs: every ending is published at least once, and nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import EventsRefusedError, InfrastructureError, RefusedTextError, UnavailableError
from app.events import EVENT_ID, OUTBOX
from app.work_folder import WorkFolder
from tests.app.worker.bench import AUDIO_ROW, STORY, Bench

ENDINGS = ("commit", "fail", "refuse")
Prepare = Callable[[Bench], None]


class KilledError(BaseException):
    """The process is gone: nothing handles it."""


def completing(bench: Bench) -> None:
    """Send a job that can be done."""
    bench.send()


def failing(bench: Bench) -> None:
    """Send a job whose narration fails."""
    bench.send()
    bench.speech.steps = [RefusedTextError("nothing to speak")] * 9


def refused(bench: Bench) -> None:
    """Send a job that is refused before it is claimed."""
    bench.send(voice="darth")


@pytest.fixture
def telling(bench: Bench) -> Bench:
    """A worker that publishes events."""
    bench.has_events = True
    return bench


def kinds(bench: Bench) -> list[tuple[str, str | None]]:
    """Return what was published: status and error code."""
    return [(event.status, event.error_code) for event in bench.events.events]


def kill_at(bench: Bench, method: str) -> None:
    """Run the worker until it calls `method`, and no further."""

    def kill(called: str) -> None:
        if called == method:
            raise KilledError

    bench.faults.on_call = kill
    with pytest.raises(KilledError):
        bench.drain()
    bench.faults.on_call = lambda _: None


def run_with_kill(folder: Path, prepare: Prepare, number: int | None) -> tuple[Bench, set[str], int]:
    """
    Run a job to its end, with a kill at the `number`-th moment before or after a call of the worker.

    Returns the bench, the ids of the events that endings stored, and how many moments there were.
    """
    bench = Bench(WorkFolder(folder))
    bench.has_events = True
    stored: set[str] = set()
    moments = 0

    def on_call(method: str) -> None:
        nonlocal moments
        if method.removeprefix("after ") in ENDINGS and method.startswith("after "):
            stored.add(bench.tasks.rows[AUDIO_ROW][EVENT_ID])
        if method == "after publish":
            assert bench.events.events[-1].id in stored, "an event was published before its ending"
        moments += 1
        if moments - 1 == number:
            raise KilledError

    prepare(bench)
    bench.faults.on_call = on_call
    try:
        bench.drain()
    except KilledError:
        bench.queue.show_all()
        bench.tasks.rows[AUDIO_ROW]["lease_expires_at"] = 1
        bench.drain()
    return bench, stored, moments


@pytest.mark.parametrize(
    ("prepare", "kind"),
    [
        (completing, ("COMPLETED", None)),
        (failing, ("FAILED", "REFUSED_TEXT")),
        (refused, ("FAILED", "UNKNOWN_VOICE")),
    ],
)
def test_a_kill_at_any_moment_loses_no_event_and_makes_up_none(
    tmp_path: Path, prepare: Prepare, kind: tuple[str, str | None]
) -> None:
    """Before or after any call: each ending has its event, also if it is published twice; no outbox stays."""
    tmp_path.chmod(0o700)
    _, _, moments = run_with_kill(tmp_path / "undisturbed", prepare, None)
    is_repeated = False
    for number in range(moments):
        bench, stored, _ = run_with_kill(tmp_path / str(number), prepare, number)
        assert {event.id for event in bench.events.events} == stored
        assert set(kinds(bench)) == {kind}
        assert OUTBOX not in bench.tasks.rows[AUDIO_ROW]
        assert bench.queue.bodies == []
        is_repeated |= len(bench.events.events) > len(stored)
    assert is_repeated, "no kill fell between publishing and clearing"


def test_an_event_says_how_a_job_was_completed(telling: Bench) -> None:
    """It has the ids, the media, the figures of the row, and nothing of the story's text."""
    telling.send()

    telling.drain()

    (event,) = telling.events.events
    fields = json.loads(event.text)
    row = telling.tasks.rows[AUDIO_ROW]
    assert fields["version"] == 1
    assert (event.id, event.detail_type) == (row[EVENT_ID], "Narration Completed")
    ids = {name: STORY[name] for name in ("parent_id", "tts_task_id", "srt_task_id")}
    assert ids.items() <= fields.items()
    assert (event.message_id, event.service) == ("message-1", "story-tts")
    assert event.media is not None
    assert list(event.media) == ["wav", "srt", "vtt", "words"]
    assert event.media["wav"] == row["media_url"]
    assert event.duration_seconds == pytest.approx(float(row["duration_seconds"]))
    assert event.processing_seconds == pytest.approx(float(row["processing_seconds"]))
    assert STORY["text"] not in event.text


def test_an_event_says_why_a_job_failed(telling: Bench) -> None:
    """It has the code and the message of the row; a refused job has them too."""
    failing(telling)

    telling.drain()

    (event,) = telling.events.events
    row = telling.tasks.rows[AUDIO_ROW]
    assert (event.error_code, event.error_message) == (row["error_code"], row["error_message"])
    assert (event.media, event.detail_type) == (None, "Narration Failed")


def test_without_a_target_nothing_is_stored_or_called(bench: Bench) -> None:
    """Rows have no outbox, and the worker makes no further call."""
    bench.send()

    bench.drain()

    assert not {EVENT_ID, OUTBOX} & bench.tasks.rows[AUDIO_ROW].keys()
    assert not {"publish", "clear_event"} & set(bench.calls)


@pytest.mark.parametrize(
    "fault", [UnavailableError("events: 503"), EventsRefusedError("events: no such bus")]
)
@pytest.mark.parametrize("prepare", [completing, failing, refused])
def test_a_target_that_is_down_or_refuses_costs_a_delay_only(
    telling: Bench, prepare: Prepare, fault: InfrastructureError
) -> None:
    """The message stays until the event is published; no story is narrated twice for it."""
    prepare(telling)
    telling.faults.add("publish", *[fault] * 3)

    telling.drain()

    row = telling.tasks.rows[AUDIO_ROW]
    assert telling.calls.count("publish") == 4
    assert [event.id for event in telling.events.events] == [row[EVENT_ID]]
    assert (telling.queue.bodies, OUTBOX in row) == ([], False)
    assert len(telling.speech.texts) == (prepare is not refused)
    assert set(telling.codes) == {event.error_code for event in telling.events.events} - {None}


def test_a_job_that_is_completed_without_its_event_counts_as_completed(telling: Bench) -> None:
    """The metrics count the job once, and a refusing target makes the worker unhealthy."""
    telling.send()
    telling.faults.add("publish", EventsRefusedError("events: no such bus"))
    problems: list[str | None] = []
    telling.faults.on_call = lambda called: (
        problems.append(telling.health.problem()) if called == "receive" else None
    )

    telling.drain()

    assert telling.outcomes == ["completed", "skipped"]
    assert problems[:2] == [None, "events: no such bus"]


def test_the_event_of_an_earlier_failure_comes_first(telling: Bench) -> None:
    """Another message of the same job waits for it: the job is claimed after it is published, not before."""
    failing(telling)
    telling.speech.steps = telling.speech.steps[:1]
    kill_at(telling, "publish")
    telling.send(rows=False)
    telling.queue.show_all()
    first = telling.queue.receive(wait_secs=0, visibility_secs=60)
    assert first is not None
    telling.queue.delete(first)

    telling.drain()

    assert kinds(telling) == [("FAILED", "REFUSED_TEXT"), ("COMPLETED", None)]


@pytest.mark.parametrize("prepare", [failing, refused])
def test_without_dead_letters_a_failed_job_has_one_event(telling: Bench, prepare: Prepare) -> None:
    """Its message stays on the queue, and each receive would fail it again: it is published once."""
    telling.has_dead_letters = False
    prepare(telling)
    telling.stop_at("give_back", 4)

    telling.drain()

    assert len(kinds(telling)) == 1
    assert len(telling.queue.bodies) == 1


def test_an_event_is_dropped_once_events_are_switched_off(telling: Bench) -> None:
    """A row that holds one does not keep its job from being done."""
    failing(telling)
    kill_at(telling, "publish")
    telling.has_events = False
    telling.queue.show_all()

    telling.drain()

    assert OUTBOX not in telling.tasks.rows[AUDIO_ROW]
    assert (kinds(telling), telling.queue.bodies) == ([], [])
