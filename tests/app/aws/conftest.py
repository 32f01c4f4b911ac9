"""The tables of the contract of task rows."""

import pytest

from app.aws.tasks import Tasks
from app.local.platform import Platform
from tests.app.aws.task_rows import AUDIO, SUBTITLES, AnyTasks
from tests.app.worker.in_memory_tasks import InMemoryTasks
from tests.ministack import EMULATORS


@pytest.fixture(params=[*EMULATORS, "in memory"])
def tasks(request: pytest.FixtureRequest) -> AnyTasks:
    """An empty table."""
    if request.param == "in memory":
        return InMemoryTasks()
    platform: Platform = request.getfixturevalue("platform")
    return Tasks(dynamodb=platform.client("dynamodb"), table=platform.table, owner="here")


@pytest.fixture
def produced(tasks: AnyTasks) -> AnyTasks:
    """A table with the rows of STORY, as the producer creates them."""
    tasks.create(AUDIO, SUBTITLES, source_prompt="Once")
    return tasks
