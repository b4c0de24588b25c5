"""SFTP and scp into HOME/drop: files come, are listed, renamed and deleted; nothing is ever read here, or followed.

A file that is not sent to its end vanishes (draft-ietf-secsh-filexfer-02, what OpenSSH speaks). No path leaves the
folder: there is one level, and names are plain.
"""

from __future__ import annotations

import logging
import posixpath
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import asyncssh
from asyncssh.scp import run_scp_server
from asyncssh.sftp import run_sftp_server

from appliance.drop import Drop, Partial, Unfit, Upload
from tui.sshd.door import Guest
from tui.sshd.session import Streams

VERSION: Final = 3
SENT: Final = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT

log = logging.getLogger("postern.console")


async def receive(streams: Streams, guest: Guest, drop: Drop, scp: str | None = None) -> None:
    """Serve SFTP, or the old scp protocol if that is the command, until the client is done."""
    server = Uploads(streams, guest, drop)
    if scp is None:
        await run_sftp_server(server, streams.stdin, streams.stdout, VERSION)
        return
    serving = run_scp_server(server, scp, streams.stdin, streams.stdout, streams.stderr)
    if serving is not None:
        await serving


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong, in the words of the protocol."""
    try:
        yield
    except Unfit as unfit:
        log.warning("an upload was refused: %s", unfit)
        raise asyncssh.SFTPFailure(str(unfit)) from unfit


class Uploads(asyncssh.SFTPServer):
    """The folder as one client sees it."""

    def __init__(self, streams: Streams, guest: Guest, drop: Drop) -> None:
        super().__init__(streams.channel)
        self._streams, self._guest, self._drop = streams, guest, drop

    # --- files -----------------------------------------------------------------------------------------------------

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """To write a new file; nothing else."""
        if pflags & (asyncssh.FXF_READ | asyncssh.FXF_APPEND) or pflags & SENT != SENT:
            raise asyncssh.SFTPPermissionDenied("files can be sent here, whole, and not be read")
        with _told():
            return self._drop.begin(_name(path), self._guest.name)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Some of it."""
        with _told():
            self._drop.write(cast(Partial, file_obj), offset, data)
        return len(data)

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Never."""
        raise asyncssh.SFTPPermissionDenied("files can be sent here, and not be read")

    def close(self, file_obj: object) -> None:
        """It is whole, if the client says so; a connection that ended says nothing."""
        partial = cast(Partial, file_obj)
        if self._streams.stdin.at_eof() or partial.broken:
            self._drop.discard(partial)
            log.warning("upload %s by %s did not arrive whole, and is gone", partial.name, partial.by)
            if partial.broken:
                raise asyncssh.SFTPFailure(partial.broken)
            return
        self._drop.finish(partial)
        log.info("upload:%s is here, %d octets, sent by %s from %s", partial.name, partial.size, *self._guest[:2])

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        """Of a file that is being sent."""
        return asyncssh.SFTPAttrs(permissions=stat.S_IFREG | 0o640, size=cast(Partial, file_obj).size)

    # --- names -----------------------------------------------------------------------------------------------------

    def realpath(self, path: bytes) -> bytes:
        """There is one level."""
        return _plain(path)

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """Of the folder, or a whole file."""
        if _plain(path) == b"/":
            return asyncssh.SFTPAttrs(type=asyncssh.FILEXFER_TYPE_DIRECTORY, permissions=stat.S_IFDIR | 0o770)
        for upload in self._drop.uploads():
            if upload.name == _name(path):
                return _attributes(upload)
        raise asyncssh.SFTPNoSuchFile("no such file")

    lstat = stat

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """All whole files."""
        if _plain(path) != b"/":
            raise asyncssh.SFTPNoSuchFile("there are no folders here")
        for upload in self._drop.uploads():
            yield asyncssh.SFTPName(upload.name.encode(), attrs=_attributes(upload))

    def remove(self, path: bytes) -> None:
        """A whole file."""
        with _told():
            self._drop.remove(_name(path))
        log.info("upload:%s was removed by %s", _name(path), self._guest.name)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """As clients do that send under another name first."""
        with _told():
            self._drop.rename(_name(oldpath), _name(newpath), self._guest.name)

    posix_rename = rename

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Times and modes are ours: nothing is done, and nobody is told off for it."""

    lsetstat = setstat

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """The same."""

    def _refused(self, *_: Any) -> Any:
        raise asyncssh.SFTPOpUnsupported("there is one flat folder here, for files alone")

    open56 = mkdir = rmdir = readlink = symlink = link = lock = unlock = _refused  # type: ignore[assignment]
    statvfs = fstatvfs = _refused  # type: ignore[assignment]

    def fsync(self, file_obj: object) -> None:
        """What was sent may be sent again."""

    def exit(self) -> None:
        """Without a status OpenSSH's scp takes the best upload for a failure."""
        self.channel.exit(0)


def _plain(path: bytes) -> bytes:
    """From the root, which has nothing above it."""
    return posixpath.normpath(b"/" + path.lstrip(b"/"))


def _name(path: bytes) -> str:
    """The name in a path of one level. Raises SFTPError."""
    try:
        return _plain(path)[1:].decode("ascii")
    except UnicodeDecodeError:
        raise asyncssh.SFTPFailure("a name has letters, digits, '.', '_' and '-'") from None


def _attributes(upload: Upload) -> asyncssh.SFTPAttrs:
    times = {"atime": int(upload.at), "mtime": int(upload.at)}
    return asyncssh.SFTPAttrs(
        type=asyncssh.FILEXFER_TYPE_REGULAR, size=upload.size, permissions=stat.S_IFREG | 0o640, uid=0, gid=0, **times
    )
