"""`wingbeat doctor`: what this machine has, beside what a flight needs.

Every check is a function that returns a record; nothing is changed, started or sent. `examine` gathers them, `render`
makes a table.
"""

import fcntl
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table

Status = Literal["ok", "warn", "fail"]

LOOPBACK = "127.0.0.1"
GB = 1e9
DISK_WARN = 5 * GB
DISK_FAIL = 0.2 * GB
"""Bytes: below this not even the demo's files fit with room to spare."""

PYTHON_NEEDED = (3, 11)
PLATFORMS: dict[str, tuple[Status, str]] = {
    "Linux": ("ok", ""),
    "Darwin": ("warn", "macOS is expected to work but not tested: tell us what you find"),
}

CORE = ("numpy", "pydantic", "event-model", "orjson", "jsonschema-rs", "h5py")
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "epics": (("aioca", "p4p", "pyyaml"), "to talk to IOCs"),
    "fly": (("scanspec", "pyyaml"), "to fly scans"),
    "server": (
        (
            "starlette",
            "uvicorn",
            "uvloop",
            "httptools",
            "sqlalchemy",
            "aiosqlite",
            "watchfiles",
            "imagecodecs",
            "httpx",
        ),
        "to serve data",
    ),
    "sim": (("caproto", "p4p", "pyyaml", "imagecodecs"), "to simulate a beamline"),
    "plot": (("matplotlib",), "to plot live"),
    "all": (("typer", "rich"), "for the command line"),
}
"""What each extra brings (its own packages only), and what it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it is, in a word or two.
        status: "ok"; "warn": works, or does not matter to all; "fail": a flight will not work like this.
        seen: What there is.
        expected: What there should be.
        advice: What to do; empty when all is well.
    """

    name: str
    status: Status
    seen: str
    expected: str
    advice: str = ""


def examine(data_directory: Path | str = "wingbeat-data") -> list[Check]:
    """Look at everything a flight needs from this machine.

    Args:
        data_directory: Where the data are to go; need not exist yet.
    """
    directory = Path(data_directory).absolute()
    return [
        check_python(),
        check_platform(),
        check_core(),
        *(check_extra(name) for name in EXTRAS),
        check_ports(),
        *(check_epics(protocol, environment=os.environ) for protocol in ("CA", "PVA")),
        check_writable(directory),
        check_disk(directory),
        check_locks(directory),
    ]


def render(checks: Iterable[Check]) -> "Table":
    """Make a table of `checks` for a rich console."""
    from rich.box import SIMPLE_HEAD  # rich comes with [all]; the checks themselves do without
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table("", "check", "seen", box=SIMPLE_HEAD, pad_edge=False)
    for check in checks:
        # What should be is of interest only where it is not; it stands below, where a narrow console has room for it.
        rest = f"\nexpected: {check.expected}\nto do: {check.advice}" if check.advice else ""
        table.add_row(Text(check.status, style=colours[check.status]), Text(check.name), Text(check.seen + rest))
    return table


def check_python() -> Check:
    """The interpreter's version."""
    fits = sys.version_info[:2] >= PYTHON_NEEDED
    needed = ".".join(map(str, PYTHON_NEEDED))
    return Check(
        name="Python",
        status="ok" if fits else "fail",
        seen=f"{platform.python_version()} ({sys.executable})",
        expected=f"{needed} or newer",
        advice="" if fits else f"make the environment with Python {needed} or newer",
    )


def check_platform(system: str | None = None) -> Check:
    """The operating system.

    Args:
        system: As `platform.system` calls it; None asks this machine.
    """
    system = system or platform.system()
    status, advice = PLATFORMS.get(system, ("fail", "run it on Linux, for example in a container or WSL"))
    return Check(name="platform", status=status, seen=f"{system} {platform.release()}", expected="Linux", advice=advice)


def check_core() -> Check:
    """Wingbeat itself and what it cannot do without."""
    found = _versions(("wingbeat", *CORE))
    missing = [name for name, version in found.items() if version is None]
    return Check(
        name="core packages",
        status="fail" if missing else "ok",
        seen=_as_text(found),
        expected="all installed",
        advice=f"pip install wingbeat: {', '.join(missing)} missing" if missing else "",
    )


def check_extra(name: str) -> Check:
    """The packages of one extra; an extra that is not installed is a warning, for not everybody needs it."""
    packages, purpose = EXTRAS[name]
    found = _versions(packages)
    missing = [package for package, version in found.items() if version is None]
    return Check(
        name=f"extra [{name}]",
        status="warn" if missing else "ok",
        seen=_as_text(found),
        expected=f"installed, {purpose}",
        advice=f"pip install 'wingbeat[{name}]' {purpose}: {', '.join(missing)} missing" if missing else "",
    )


def check_ports() -> Check:
    """Whether servers of ours get ports on loopback, TCP and UDP."""
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind((LOOPBACK, 0))
            udp.bind((LOOPBACK, 0))
            seen = f"TCP and UDP to be had on {LOOPBACK}"
    except OSError as error:
        return Check(
            name="loopback ports",
            status="fail",
            seen=f"none on {LOOPBACK}: {error}",
            expected="free TCP and UDP ports",
            advice="see whether the loopback interface is up and this process may open sockets",
        )
    return Check(name="loopback ports", status="ok", seen=seen, expected="free TCP and UDP ports")


def check_epics(protocol: str, *, environment: Mapping[str, str]) -> Check:
    """Whom EPICS clients will ask for a PV.

    Args:
        protocol: "CA" or "PVA".
        environment: With the variables EPICS_<protocol>_ADDR_LIST and EPICS_<protocol>_AUTO_ADDR_LIST.
    """
    names = [f"EPICS_{protocol}_ADDR_LIST", f"EPICS_{protocol}_AUTO_ADDR_LIST", f"EPICS_{protocol}_NAME_SERVERS"]
    values = {name: environment[name] for name in names if environment.get(name)}
    automatic = values.get(names[1], "YES").upper() != "NO"
    broadcast = [word for word in values.get(names[0], "").split() if word.split(":")[0].endswith(".255")]
    seen = ", ".join(f"{name}={value}" for name, value in values.items()) or "nothing set: broadcasts to every network"
    if not (automatic or broadcast):
        return Check(name=f"EPICS {protocol}", status="ok", seen=seen, expected="a list of servers, no broadcast")
    return Check(
        name=f"EPICS {protocol}",
        status="warn",
        seen=seen,
        expected="a list of servers, no broadcast",
        advice=f"every machine on the network is asked for each PV; if you do not want that, set {names[1]}=NO and list"
        f" the IOCs' hosts in {names[0]} (the demo does so for itself)",
    )


def check_writable(directory: Path) -> Check:
    """Whether files can be made in the data directory, or the directory itself where it will be."""
    place = _nearest(directory)
    expected = f"{directory} can be written"
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = f"choose another data directory, or let {_user()} write to {place}"
        return Check(name="data directory", status="fail", seen=str(error), expected=expected, advice=advice)
    seen = "it can" if place == directory else f"not there yet; can be made in {place}"
    return Check(name="data directory", status="ok", seen=seen, expected=expected)


def check_disk(directory: Path) -> Check:
    """How much room there is for files."""
    place = _nearest(directory)
    free = shutil.disk_usage(place).free
    status: Status = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    return Check(
        name="disk",
        status=status,
        seen=f"{free / GB:.1f} GB free at {place}",
        expected=f"{DISK_WARN / GB:.0f} GB or more; preflight asks for what each scan needs",
        advice="" if status == "ok" else "make room, or choose a data directory on another disk",
    )


def check_locks(directory: Path) -> Check:
    """Whether an engine or a server holds the data directory already."""
    held = {path.name: holder for path in sorted(directory.glob("**/*.lock")) if (holder := _holder(path))}
    return Check(
        name="data directory in use",
        status="warn" if held else "ok",
        seen=", ".join(f"{name} held by process {holder}" for name, holder in held.items()) or "by nobody",
        expected="by nobody, to start an engine or a server on it",
        advice="end that process first, or use another data directory" if held else "",
    )


def _holder(lock: Path) -> str:
    """The process that holds the lock file; empty if none does."""
    try:
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(64).decode(errors="replace").strip() or "unknown"
    except OSError:  # gone since, or not ours to read: it will be named by who wants to lock it
        return ""
    return ""


def _versions(packages: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _as_text(found: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {version or '–'}" for name, version in found.items())


def _nearest(directory: Path) -> Path:
    """The directory, or the closest one above it that exists."""
    return next(path for path in (directory, *directory.parents) if path.exists())


def _user() -> str:
    return os.environ.get("USER") or f"user {os.getuid()}"
