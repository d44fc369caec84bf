"""A run's folder: what is in it, and emptying it. Standard library alone: this runs in the walls."""

from __future__ import annotations

import contextlib
import os
import shutil


def taken(folder: str, most: int) -> tuple[int, int]:
    """Files and bytes in a folder; counting stops above `most` files."""
    files = size = 0
    for path, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_blocks * 512  # noqa: PTH118
        if files > most:
            break
    return files, size


def empty(folder: str) -> None:
    """Remove what lies in a folder, also what its maker closed; links are not followed."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            inner = os.path.join(path, name)  # noqa: PTH118
            if not os.path.islink(inner):  # noqa: PTH114
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)  # noqa: PTH101
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108
