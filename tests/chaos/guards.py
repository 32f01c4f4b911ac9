"""
Removes each guard of the worker in turn, in a copy of the tree, and shows which test then fails.

`python -m tests.chaos.guards` prints the table; it ends with 1 where a guard was missed by nobody. A guard
that no test misses is either not needed or not tested.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.tree import copy_of

_COPIED = ("app", "tests", "pyproject.toml")
_TIMEOUT_SECS = 400
_FAILED = 1
"""pytest's exit code where tests ran and failed; others mean that none ran."""

TASKS, OBJECTS = "app/aws/tasks.py", "app/aws/objects.py"
LOOP, ATTEMPT, OUTCOMES, LEASE = (
    f"app/worker/{name}.py" for name in ("loop", "attempt", "outcomes", "lease")
)
TEST_TASKS, TEST_OBJECTS = "tests/app/aws/test_tasks.py", "tests/app/aws/test_objects.py"
FAULTS = "tests/chaos/test_faults.py"
TABLES_LIFE = "tests/fuzz/test_life_of_a_task.py::test_the_table_lives_as_the_model_says"
WORKERS_LIFE = "tests/fuzz/test_life_in_a_worker.py::test_the_worker_does_as_the_model_says"


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard, the edit that removes it, and the test that must fail then."""

    name: str
    path: str
    old: str
    new: str
    test: str


class Verdict(StrEnum):
    """What became of the test without the guard."""

    CAUGHT = "caught"
    MISSED = "MISSED"
    """The test passed: nobody would notice."""
    BROKEN = "BROKEN"
    """No test ran."""


GUARDS = (
    Guard(
        "a claim spares a live lease",
        TASKS,
        "lease_expires_at < :now))",
        "lease_expires_at < :now OR lease_expires_at >= :now))",
        f"{TEST_TASKS}::test_a_held_job_is_not_claimed_again",
    ),
    Guard(
        "a claim raises the epoch",
        TASKS,
        "lease_epoch = if_not_exists(lease_epoch, :zero) + :one",
        "lease_epoch = if_not_exists(lease_epoch, :one) + :zero",
        f"{TEST_TASKS}::test_a_holder_that_lost_its_lease_writes_nothing",
    ),
    Guard(
        "a claim is known by its own owner",
        TASKS,
        'if row.get("lease_owner") == owner:',
        "if False:",
        f"{FAULTS}::test_a_claim_whose_reply_is_lost_is_known_as_ours",
    ),
    Guard(
        "COMPLETED is never left",
        TASKS,
        '_STARTABLE = "#status IN (:pending, :failed)"',
        '_STARTABLE = "(#status IN (:pending, :failed) OR attribute_exists(media_url))"',
        f"{FAULTS}::test_a_copy_after_the_end_is_deleted",
    ),
    Guard(
        "the epoch in renewals, commits and failures",
        TASKS,
        '_OURS = "#status = :in_progress AND lease_epoch = :epoch"',
        '_OURS = "#status = :in_progress AND lease_epoch >= :epoch"',
        f"{TEST_TASKS}::test_a_holder_that_lost_its_lease_writes_nothing",
    ),
    Guard(
        "the epoch, seen by a sleeper at its commit",
        TASKS,
        '_OURS = "#status = :in_progress AND lease_epoch = :epoch"',
        '_OURS = "(#status = :in_progress OR attribute_exists(media_url)) AND lease_epoch >= :epoch"',
        f"{FAULTS}::test_a_sleeper_that_was_overtaken_writes_nothing[commit]",
    ),
    Guard(
        "the epoch on the subtitles' row",
        TASKS,
        '_NO_NEWER_CLAIM = "(attribute_not_exists(lease_epoch) OR lease_epoch <= :epoch)"',
        '_NO_NEWER_CLAIM = "(attribute_not_exists(lease_epoch) OR lease_epoch <> :epoch)"',
        f"{FAULTS}::test_a_late_mark_does_not_disturb_the_new_holder",
    ),
    Guard(
        "both rows in one transaction",
        TASKS,
        'self._dynamodb.transact_write_items(TransactItems=[{"Update": item} for item in items])',
        "[self._dynamodb.update_item(**item) for item in items]",
        f"{FAULTS}::test_a_job_cancelled_while_it_is_held_is_not_completed[srt]",
    ),
    Guard(
        "the rows are asked after a commit without a reply",
        TASKS,
        "if not self._ended_by_us(claim, status):",
        "if True:",
        f"{FAULTS}::test_a_commit_applied_whose_reply_is_lost_is_found_out",
    ),
    Guard(
        "If-None-Match",
        OBJECTS,
        '{"IfNoneMatch": "*"} if replacing is None else',
        "{} if replacing is None else",
        f"{FAULTS}::test_a_sleeper_that_was_overtaken_writes_nothing[put the audio]",
    ),
    Guard(
        "If-Match",
        OBJECTS,
        'else {"IfMatch": replacing}',
        "else {}",
        f"{TEST_OBJECTS}::test_what_was_seen_is_overwritten_and_nothing_else",
    ),
    Guard(
        "the row is asked before media are overwritten",
        ATTEMPT,
        "                lease.confirm()\n",
        "",
        f"{FAULTS}::test_a_loser_does_not_overwrite_what_it_finds",
    ),
    Guard(
        "the clock is asked before each put",
        ATTEMPT,
        "                    check=lease.check,\n",
        "",
        f"{FAULTS}::test_a_sleeper_that_looks_again_does_not_overwrite",
    ),
    Guard(
        "the message is deleted last",
        ATTEMPT,
        "        lease.check()\n        lease.stop()\n",
        "        lease.check()\n        lease.stop()\n        self._queue.delete(attempt.message)\n",
        f"{FAULTS}::test_a_kill_at_the_end_loses_no_job",
    ),
    Guard(
        "the dead letter is sent before the message is deleted",
        OUTCOMES,
        "        self._dead_letters.send(\n",
        "        self._queue.delete(attempt.message)\n        self._dead_letters.send(\n",
        f"{FAULTS}::test_a_kill_around_the_dead_letter_loses_no_job",
    ),
    Guard(
        "the message's visibility is renewed",
        LEASE,
        "            self._queue.extend(self._message, self._lease_secs)\n",
        "",
        f"{FAULTS}::test_renewals_keep_the_message_from_others",
    ),
    Guard(
        "the row's lease is renewed",
        LEASE,
        "            self._tasks.renew(self._claim, lease_secs=self._lease_secs, progress=self.progress)\n",
        "",
        f"{FAULTS}::test_renewals_keep_the_row_from_others",
    ),
    Guard(
        "a renewal without an answer is repeated",
        LEASE,
        "except InfrastructureError:",
        "except ZeroDivisionError:",
        f"{FAULTS}::test_a_renewal_without_an_answer_is_tried_again",
    ),
    Guard(
        "a refused renewal ends the job",
        LEASE,
        "                self._fault = fault\n                return\n",
        "                return\n",
        f"{FAULTS}::test_a_lost_lease_stops_the_job",
    ),
    Guard(
        "renewals end before a job is given back",
        LEASE,
        "    ) -> None:\n        self.stop()\n",
        "    ) -> None:\n        pass\n",
        f"{FAULTS}::test_a_job_that_is_given_back_is_free_when_it_is_seen",
    ),
    Guard(
        "the lease is released before the message shows",
        OUTCOMES,
        "            self._tasks.release(attempt.claim)\n",
        "            self._queue.give_back(attempt.message, delay_secs=delay_secs)\n"
        "            self._tasks.release(attempt.claim)\n",
        f"{FAULTS}::test_a_job_that_is_given_back_is_free_when_it_is_seen",
    ),
    Guard(
        "a message that kills its workers is given up",
        ATTEMPT,
        "if message.receive_count > POISON_RECEIVES * self._max_receives:",
        "if False:",
        f"{FAULTS}::test_a_message_that_kills_its_workers_is_given_up",
    ),
    Guard(
        "a worker that AWS refuses waits",
        LOOP,
        "        self._shutdown.requested.wait(delay)\n\n    def _handle",
        "\n    def _handle",
        f"{FAULTS}::test_expired_credentials_make_a_worker_wait_not_spin",
    ),
    Guard(
        "a refused body leaves a held job alone",
        TASKS,
        "                if self.read(key) is not None:\n                    return\n",
        "                continue\n",
        f"{TEST_TASKS}::test_a_refused_job_fails_its_free_rows_alone",
    ),
    Guard(
        "the epoch in renewals, commits and failures, by the model",
        TASKS,
        '_OURS = "#status = :in_progress AND lease_epoch = :epoch"',
        '_OURS = "#status = :in_progress AND lease_epoch >= :epoch"',
        TABLES_LIFE,
    ),
    Guard(
        "the message is deleted last, by the model",
        ATTEMPT,
        "        lease.check()\n        lease.stop()\n",
        "        lease.check()\n        lease.stop()\n        self._queue.delete(attempt.message)\n",
        WORKERS_LIFE,
    ),
    Guard(
        "a job that is given back is released, by the model",
        OUTCOMES,
        "            self._tasks.release(attempt.claim)\n",
        "            pass\n",
        WORKERS_LIFE,
    ),
    Guard(
        "the rows fail before the dead letter is sent, by the model",
        OUTCOMES,
        "            self._tasks.fail(attempt.claim, code=error.code, message=error.message)\n",
        "            pass\n",
        WORKERS_LIFE,
    ),
    Guard(
        "a story stays out of the log",
        ATTEMPT,
        "characters=len(job.text), voice=job.voice",
        "characters=job.text, voice=job.voice",
        "tests/app/worker/test_worker.py::test_a_story_becomes_media_and_completed_rows",
    ),
)


def edited(guard: Guard, root: Path) -> str:
    """Return the file without its guard. Raises ValueError where the guard is not there exactly once."""
    text = (root / guard.path).read_text()
    if text.count(guard.old) != 1:
        message = f"{guard.name}: {guard.path} holds the guard {text.count(guard.old)} times, not once"
        raise ValueError(message)
    return text.replace(guard.old, guard.new)


def judge(guard: Guard, copied: tuple[str, ...] = _COPIED) -> tuple[Verdict, str]:
    """Run the guard's test on a copy of the tree without it; return the verdict and the test's last word."""
    with tempfile.TemporaryDirectory(prefix="story-tts-guards-") as folder:
        copy = copy_of(copied, Path(folder))
        (copy / guard.path).write_text(edited(guard, copy))
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", guard.test],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECS,
            check=False,
        )
    verdict = {_FAILED: Verdict.CAUGHT, 0: Verdict.MISSED}.get(result.returncode, Verdict.BROKEN)
    reasons = [line for line in result.stdout.splitlines() if "Error" in line or "FAILED" in line]
    return verdict, reasons[0].strip() if reasons else result.stdout[-300:]


def main() -> int:
    """Print the table, a line a guard as it is judged."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.guards", description=__doc__)
    return tell(GUARDS, parser, heading="guard removed")


def tell(
    all_guards: Sequence[Guard],
    parser: argparse.ArgumentParser,
    *,
    heading: str,
    copied: tuple[str, ...] = _COPIED,
) -> int:
    """Judge the guards asked for, a line of a table each; return 0 where tests noticed every removal."""
    parser.add_argument("--only", default="", help="lines whose name holds this")
    parser.add_argument("--why", action="store_true", help="say what each test failed with")
    arguments = parser.parse_args()
    guards = [guard for guard in all_guards if arguments.only in guard.name]
    print(f"| {heading} | test that fails | verdict |\n|---|---|---|", flush=True)
    verdicts: list[Verdict] = []
    for guard in guards:
        began = time.monotonic()
        verdict, reason = judge(guard, copied)
        verdicts.append(verdict)
        test = guard.test.rpartition("::")[2]
        print(f"| {guard.name} | {test} | {verdict} ({time.monotonic() - began:.0f} s) |", flush=True)
        if arguments.why or verdict is not Verdict.CAUGHT:
            print(f"  {reason}", flush=True)
    caught = verdicts.count(Verdict.CAUGHT)
    print(f"{caught} of {len(guards)} are noticed", flush=True)
    return 0 if caught == len(guards) else 1


if __name__ == "__main__":
    sys.exit(main())
