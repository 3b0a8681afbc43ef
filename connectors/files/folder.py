"""The folder: which files there are, signatures, the lock of the one writer, atomic replacement."""

import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import IO, Any

import xxhash

from hub.errors import AuthError, ConfigError, HubError, UnavailableError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CHUNK = 1 << 20


class Folder:
    """One folder; no name leads out of it."""

    def __init__(self, path: str, *, max_bytes: int) -> None:
        self.root = Path(path).expanduser()
        self.max_bytes = max_bytes

    def names(self) -> list[str]:
        """The files directly in the folder, without hidden ones and those of open editors."""
        with translated(self.root):
            found = sorted(entry.name for entry in self.root.iterdir() if entry.is_file())
        return [name for name in found if not _is_hidden(name)]

    def matching(self, pattern: str) -> list[Path]:
        """The files of a pattern by name, or the one file of that name if it is there."""
        _refuse_way_out(pattern)
        self._check_root()
        with translated(self.root):
            if not any(sign in pattern for sign in "*?["):
                return [path] if (path := self.root / pattern).is_file() else []
            found = [path for path in self.root.glob(pattern) if path.is_file()]
        inside = [path for path in found if not _is_hidden(path.name) and self._is_inside(path)]
        return sorted(inside, key=lambda path: path.as_posix())

    def path(self, name: str) -> Path:
        """Where the file is or would be."""
        _refuse_way_out(name)
        self._check_root()
        path = self.root / name
        if not self._is_inside(path):
            raise ConfigError(
                "files: {name!r} leads out of the folder {folder}",
                name=name,
                folder=str(self.root),
                hint="A link to a file elsewhere is not followed; put the file into the folder.",
            )
        return path

    def existing(self, name: str) -> Path:
        path = self.path(name)
        if path.is_file():
            return path
        there = self.names()
        near = get_close_matches(name, there, n=5, cutoff=0.5) or there[:20]
        raise ConfigError(
            "files: there is no file {name!r} in {folder}",
            name=name,
            folder=str(self.root),
            hint="There are: {known}.",
            known=", ".join(near) or "—",
        )

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def check_size(self, path: Path) -> None:
        """Of the file, and of what a zipped one says it unpacks to."""
        size = path.stat().st_size
        if size <= self.max_bytes and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                size = sum(entry.file_size for entry in packed.infolist())
        if size > self.max_bytes:
            raise ConfigError(
                "files: {file} has {size} MiB, more than the {most} MiB that are allowed",
                file=path.name,
                size=size >> 20,
                most=self.max_bytes >> 20,
                hint="Raise `max_megabytes`, or split the file.",
            )

    def _check_root(self) -> None:
        if not self.root.is_dir():
            # a share that is not mounted is not an empty folder
            raise UnavailableError(
                "files: the folder {folder} is not there",
                folder=str(self.root),
                hint="Check the setting `folder`, and whether its drive or share is mounted.",
            )

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root.resolve())


def signature(path: Path) -> str:
    """The same as long as the file's content is; "" where there is no file.

    By content: a time of modification is too coarse to notice a second change at once, and changes
    when a file is only copied back.
    """
    content = xxhash.xxh3_64()
    with suppress(FileNotFoundError), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(CHUNK):
            content.update(chunk)
        return f"{size}-{content.hexdigest()}"
    return ""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer of this file at a time; UnavailableError while there is another."""
    for open_name in (f"~${path.name}", f".~lock.{path.name}#"):
        if path.with_name(open_name).exists():
            raise UnavailableError(
                "files: {file} is open in a spreadsheet program",
                file=path.name,
                hint="Close it there; the write is tried again by itself.",
            )
    with translated(path), path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            _take(lock)
        except OSError as e:
            raise UnavailableError("files: {file} is being written", file=path.name) from e
        yield


def _take(lock: IO[Any]) -> None:
    """The system gives the lock back when the process ends, however it ends."""
    if sys.platform == "win32":
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """A file beside *path* to write to; left behind only by a crash, and then written over."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Durably: content first, then the name, then the folder's entry."""
    if path.exists():
        temporary.chmod(path.stat().st_mode & 0o777)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    if sys.platform == "win32":
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """The system's errors as ours, with the file's name."""
    try:
        yield
    except HubError:
        raise
    except PermissionError as e:
        raise AuthError(
            "files: {file}: {words}",
            file=str(path),
            words=e.strerror or "not permitted",
            hint="Give the hub's user the right to read, and to write where it is to write.",
        ) from e
    except OSError as e:
        raise UnavailableError(
            "files: {file}: {words}", file=str(path), words=e.strerror or str(e)
        ) from e


def _refuse_way_out(name: str) -> None:
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise ConfigError(
            "files: the file name {name!r} leads out of the folder",
            name=name,
            hint="Name files relative to the folder, with / between the parts.",
        )


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))
