"""Fetching a file over HTTP: resumed where it broke off, verified by its SHA-256, and never under its name before.

Bytes go to ``NAME.part``. Only when the whole file is there and its hash is the expected one is it renamed to
``NAME``; a server that breaks off, stalls, sends an error page as a success or the wrong file leaves no ``NAME``.
One process at a time fetches a file, which ``NAME.lock`` sees to. With CALOR_OFFLINE set, nothing is fetched.
"""

import contextlib
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

from calor.data.lock import locked
from calor.errors import ArgumentError, DownloadError, warn

__all__ = ["Progress", "download", "file_digest", "offline", "progress_bar", "require_online"]

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes of the whole file (None: the server did not say)."""

_BLOCK = 1 << 18
_REDIRECTIONS = 5

_SLOWEST = 1_000
"""Bytes a second; the slowest modems give several times as much."""

_PATIENCE = 600.0
"""Seconds that another process may hold the lock while nothing arrives; its own time limits are far below."""


class _Transient(Exception):
    """A failure that another attempt may not have."""


class _Final(Exception):
    """A failure that another attempt at the same address would have too."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = _REDIRECTIONS
    max_repeats = 2


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand, because urllib's usual opener also follows file: and ftp: addresses, redirected ones included.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes, in lower-case hexadecimal.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "empty")
        ...     path.touch()
        ...     file_digest(path)[:16]
        'e3b0c44298fc1c14'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def offline() -> bool:
    """Whether the environment variable CALOR_OFFLINE forbids to fetch anything: it is set, and not to 0."""
    return os.environ.get("CALOR_OFFLINE", "") not in ("", "0")


def require_online(missing: Mapping[Path, str]) -> None:
    """Explains which files are missing where nothing may be fetched; does nothing elsewhere.

    Args:
        missing: The address of each file, by the path where it should lie.

    Raises:
        DownloadError: ``offline()``, and something is missing.
    """
    if not missing or not offline():
        return
    files = "\n  ".join(f"{url}\n    as {path}" for path, url in missing.items())
    raise DownloadError(
        f"{', '.join(path.name for path in missing)}: not on this machine, and CALOR_OFFLINE is set, so nothing is "
        f"fetched. Save\n  {files}\nor set CALOR_DATA to a folder that has it, or unset CALOR_OFFLINE."
    )


def download(
    urls: str | Sequence[str],
    target: Path,
    *,
    sha256: Collection[str],
    digest: Callable[[Path], str] = file_digest,
    progress: Progress | None = None,
    timeout: float = 30.0,
    attempts: int = 3,
    pause: float = 1.0,
    limit: int = 16 << 30,
) -> Path:
    """Fetches a file, unless it is there already, and gives its path.

    Args:
        urls: An address (http or https), or several that hold the same file, tried one after the other.
        target: The file's final name; its folder is made where it is missing. A file of that name is taken as it is.
        sha256: The hashes, one of which the file must have, in lower-case hexadecimal.
        digest: Computes the hash of a downloaded file; the default is that of its bytes. (A file whose gzip wrapper
            differs from server to server is better known by its contents.)
        progress: Called as bytes arrive.
        timeout: Seconds after which a transfer counts as broken when no byte came, or fewer than 1,000 a second.
        attempts: Tries per address; each goes on where the one before it broke off.
        pause: Seconds before the second try, doubled before each further one.
        limit: The most bytes that are accepted: a server that never stops sending must not fill the disk.

    Returns:
        ``target``.

    Raises:
        ArgumentError: An address is not an http or https one, or there is none.
        DownloadError: No address gave the file; the message says what happened at each, and what to do. What arrived
            of a broken transfer is kept as ``NAME.part``, and the next call goes on from there. Or CALOR_OFFLINE is
            set, or the disk is full, or another process has held the lock for ten minutes and received nothing.

    Warns:
        CalorWarning: Another process is fetching the file; this one waits for it.

    Example:
        A file that is there already is not fetched again:

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     _ = path.write_text("here")
        ...     download("https://example.com/notes.txt", path, sha256=["0" * 64]) == path
        True
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    if not addresses:
        raise ArgumentError(f"There is no address to download {target.name} from; give at least one http(s) address.")
    for address in addresses:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise ArgumentError(f"Cannot download {address!r}: only http and https addresses are fetched.")
    if target.exists():
        return target
    require_online({target: addresses[0]})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"Cannot make the folder {target.parent} to download {target.name} into: {error}."
        ) from error
    part, lock = (target.with_name(target.name + ending) for ending in (".part", ".lock"))
    with contextlib.ExitStack() as stack:
        with _file_errors(lock):
            stack.enter_context(locked(lock, _waiting(target, part, lock)))
        if target.exists():  # by the process that had the lock before
            return target
        failures = []
        for address in addresses:
            failure = _fetch(address, part, sha256, digest, progress, timeout, attempts, pause, limit)
            if failure is None:
                with _file_errors(target):
                    part.replace(target)
                return target
            failures.append(f"{address}: {failure}")
    kept = f" What arrived is kept in {part}; the next try goes on from there." if part.exists() else ""
    raise DownloadError(
        f"Could not download {target.name}.\n  "
        + "\n  ".join(failures)
        + "\nCheck the connection and try again; or fetch the file by hand and save it as "
        f"{target}, or set the environment variable CALOR_DATA to a folder that has it.{kept}"
    )


def _waiting(target: Path, part: Path, lock: Path) -> Callable[[], None]:
    """What to do at each look at the other process's lock: say so once, and give up where nothing arrives."""
    seen: int | None = -1
    since = 0.0

    def look() -> None:
        nonlocal seen, since
        if seen == -1:
            warn(f"Another process is downloading {target.name}; waiting for it.")
        try:
            size = part.stat().st_size
        except FileNotFoundError:
            size = None
        if size != seen:
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > _PATIENCE:
            raise DownloadError(
                f"Another process holds {lock} to download {target.name}, and has received nothing for "
                f"{_PATIENCE:g} seconds. End that process, and try again."
            )

    return look


def _fetch(
    url: str,
    part: Path,
    sha256: Collection[str],
    digest: Callable[[Path], str],
    progress: Progress | None,
    timeout: float,
    attempts: int,
    pause: float,
    limit: int,
) -> str | None:
    """Makes ``part`` the whole and verified file and gives None, or gives what went wrong at the last try."""
    failure = "no try was allowed"
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        resumed = part.exists()
        try:
            _transfer(url, part, progress, timeout, limit)
            # What an earlier transfer left may be of another file; the next try begins without it.
            _verify(part, sha256, digest, _Transient if resumed else _Final)
            return None
        except (_Transient, _Final) as error:
            failure = str(error)
            if isinstance(error, _Final):
                break
    return failure


def _transfer(url: str, part: Path, progress: Progress | None, timeout: float, limit: int) -> None:
    """Brings ``part`` to its full length, from where it is."""
    present = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "calor", "Accept-Encoding": "identity"}
    if present:
        headers["Range"] = f"bytes={present}-"
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            if _content_range(error.headers)[1] == present:
                return
            part.unlink()
            raise _Transient("the server has fewer bytes than an earlier transfer left") from error
        if 300 <= error.code < 400:
            raise _Final(
                f"it redirects in a circle, more than {_REDIRECTIONS} times, or to an address that is not http(s)"
            ) from error
        retry = error.code >= 500 or error.code in (408, 429)
        raise (_Transient if retry else _Final)(f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Transient(_reason(error, timeout)) from error
    with response:
        if response.status == 206:
            start, total = _content_range(response.headers)
            if start != present:
                part.unlink(missing_ok=True)
                raise _Transient("the server sent another part of the file than was asked for")
        else:
            # A server that ignores Range sends the file from its beginning.
            present = 0
            length = response.headers["Content-Length"]
            total = int(length) if length and length.isdigit() else None
        with _file_errors(part):
            # Unbuffered, so that a full disk is noticed at the write and not again when the file is closed.
            file = part.open("ab" if present else "wb", buffering=0)
        with file:
            received = _receive(response, file, present, total, progress, timeout, limit)
    if total is not None and received < total:
        raise _Transient(f"broke off after {received:,} of {total:,} bytes")


def _receive(
    response: Any,
    file: IO[bytes],
    received: int,
    total: int | None,
    progress: Progress | None,
    timeout: float,
    limit: int,
) -> int:
    since, earlier = time.monotonic(), received
    while True:
        if progress is not None:
            progress(received, total)
        if (seconds := time.monotonic() - since) > timeout:
            if received != total and received - earlier < _SLOWEST * seconds:
                raise _Transient(f"broke off after {received:,} bytes: slower than {_SLOWEST:,} bytes a second")
            since, earlier = time.monotonic(), received
        try:
            # read1 gives what is there, so that a stall loses nothing and the bar moves on slow lines.
            block = response.read1(_BLOCK)
        except http.client.IncompleteRead:
            return received
        except (OSError, http.client.HTTPException) as error:
            raise _Transient(f"broke off after {received:,} bytes: {_reason(error, timeout)}") from error
        if not block:
            return received
        received += len(block)
        if max(received, total or 0) > limit:
            Path(file.name).unlink()
            raise _Final(f"the file is larger than the {limit:,} bytes that are accepted")
        with _file_errors(Path(file.name)):
            while block:  # what is left on a nearly full disk is filled first
                block = block[file.write(block) :]


def _verify(
    part: Path, sha256: Collection[str], digest: Callable[[Path], str], failure: type[_Transient | _Final]
) -> None:
    found = digest(part)
    if found in sha256:
        return
    size = part.stat().st_size
    with part.open("rb") as file:
        page = file.read(512).lstrip().startswith(b"<")
    part.unlink()
    guess = "what came looks like a web page, not the file" if page else "what came is not the file that is expected"
    raise failure(f"{guess} ({size:,} bytes with SHA-256 {found}, not {' or '.join(sha256)}); it was deleted")


def _content_range(headers: Any) -> tuple[int | None, int | None]:
    """First byte and total of ``Content-Range: bytes 5-9/10`` or ``bytes */10``; None for what it does not say."""
    match = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", "").strip())
    if match is None:
        return None, None
    start, total = match.groups()
    return (int(start) if start else None), (int(total) if total else None)


def _reason(error: Exception, timeout: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    return str(cause) or type(cause).__name__


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    # No other address and no other try can help where the disk is full or the folder may not be written to.
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"Cannot write {path}: {error.strerror or error}. Make room, or choose another folder with CALOR_CACHE."
        ) from error


@contextlib.contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """A bar on standard error with bytes, speed and time left, drawn where a person looks and nowhere else.

    Args:
        description: What is being fetched.

    Yields:
        The function to call as bytes arrive.

    Example:
        >>> with progress_bar("photos.zip") as advance:
        ...     advance(512, 1024)
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (console.is_terminal or console.is_jupyter)) as bar:
        task = bar.add_task(description, total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
