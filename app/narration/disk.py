"""Where the operating system's word for a full disk becomes the job's typed error."""

import errno
from pathlib import Path

from app.errors import DiskFullError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def disk_error(error: OSError, path: Path) -> Exception:
    """Return DiskFullError where disk or quota are full or the file may not grow, else `error` itself."""
    if error.errno in _FULL:
        return DiskFullError(f"no space left for {path}")
    return error
