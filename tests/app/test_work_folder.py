"""The work folder: private while its process lives, removed by a later process if it was killed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.work_folder import _MARKER_NAME as MARKER_NAME
from app.work_folder import WorkFolder

HOLD = """
    import sys
    from pathlib import Path
    from app.work_folder import WorkFolder
    folder = WorkFolder(Path(sys.argv[1]))
    with folder.job() as job:
        (job / "half.wav").write_bytes(b"x" * 1000)
        print(folder.path, flush=True)
        sys.stdin.read()
"""


def holder(root: Path) -> subprocess.Popen[str]:
    """Start a process that holds a folder with an unfinished job until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_jobs_folder_is_gone_after_it(tmp_path: Path) -> None:
    """A job's files are removed when it ends, with or without an error."""
    with WorkFolder(tmp_path / "root") as folder:
        with folder.job() as job:
            (job / "a").write_text("a", encoding="ascii")
        assert not job.exists()
        with pytest.raises(ValueError, match="oh"), folder.job() as job:
            raise ValueError("oh")
        assert not job.exists()
    assert list((tmp_path / "root").iterdir()) == []


def test_a_killed_workers_folder_is_removed(tmp_path: Path) -> None:
    """The next worker to start removes the folder of a killed worker, and keeps that of a running one."""
    with holder(tmp_path) as killed, holder(tmp_path) as living:
        assert killed.stdout is not None
        assert living.stdout is not None
        left, kept = (Path(each.stdout.readline().strip()) for each in (killed, living) if each.stdout)
        killed.kill()
        killed.wait()
        assert left.is_dir()
        with WorkFolder(tmp_path) as folder:
            assert not left.exists()
            assert list(kept.rglob("half.wav"))
            assert folder.path != kept


def test_a_lock_is_not_inherited(tmp_path: Path) -> None:
    """A child process that outlives its parent does not keep the folder locked."""
    code = textwrap.dedent(HOLD).replace(
        "sys.stdin.read()",
        "import subprocess; p = subprocess.Popen(['sleep', '60'], close_fds=False); "
        "print(p.pid, flush=True); sys.stdin.read()",
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        left = Path(parent.stdout.readline().strip())
        orphan = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        try:
            with WorkFolder(tmp_path):
                assert not left.exists()
        finally:
            os.kill(orphan, 9)


def test_a_root_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """A root in which other users could place links is refused."""
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        WorkFolder(tmp_path)


def test_a_root_that_is_no_folder_is_said_so(tmp_path: Path) -> None:
    """A root that is a file is an error of the settings."""
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(ConfigurationError, match="file"):
        WorkFolder(tmp_path / "file")


def test_a_linked_root_is_refused(tmp_path: Path) -> None:
    """A link to a folder is not followed: its target may not be meant for temporary files."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(home)
    with pytest.raises(ConfigurationError, match="is a link"):
        WorkFolder(tmp_path / "link")
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("marker", [None, "link"])
def test_folders_of_the_user_are_kept(tmp_path: Path, marker: str | None) -> None:
    """A folder that no worker made is kept, even if it is called `worker-...`."""
    own = tmp_path / "worker-api"
    own.mkdir()
    (own / "precious.py").write_text("", encoding="ascii")
    if marker:
        (own / MARKER_NAME).symlink_to(own / "precious.py")
    with WorkFolder(tmp_path):
        pass
    assert (own / "precious.py").exists()


def test_a_link_in_the_root_is_not_followed(tmp_path: Path) -> None:
    """Nothing outside the root is removed, even if a link points to another worker's abandoned folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / MARKER_NAME).touch()
    (outside / "precious").write_text("", encoding="ascii")
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    (root / "worker-link").symlink_to(outside)
    with WorkFolder(root):
        assert (outside / "precious").exists()
