"""The units: systemd understands them and finds them tight, and they agree with the supervisor's table of roles."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from appliance.home import DEFAULT
from appliance.supervisor.roles import ROLES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "systemd"
UNIT_OF = {
    "controller": "postern-controller.service",
    "sessions": "postern-sessions@.service",
    "console": "postern-console.service",
}
SERVICES = ["postern.service", *UNIT_OF.values()]
MOST_EXPOSED = 2.0  # of 10, by systemd's own reckoning


def service(name: str) -> dict[str, str]:
    """The [Service] section; of a key given several times the last."""
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / name)
    return dict(parser["Service"])


@pytest.fixture
def copies(tmp_path: Path) -> list[str]:
    """The units with a program that exists here: systemd looks for it."""
    for file in [FOLDER / "postern.target", *map(FOLDER.joinpath, SERVICES)]:
        text = re.sub(r"/opt/postern/[^/]+/bin/python", sys.executable, file.read_text())
        (tmp_path / file.name).write_text(text)
    return [str(tmp_path / name.replace("@", "@1.0")) for name in ["postern.target", *SERVICES]]


def verify(units: list[str]) -> str:
    """What `systemd-analyze verify` says of our own units."""
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "\n".join(line for line in done.stderr.splitlines() if "postern" in line)


def test_systemd_understands_every_line(copies: list[str]) -> None:
    assert verify(copies) == ""


def test_verify_would_tell(copies: list[str]) -> None:
    broken = Path(copies[1])
    broken.write_text(broken.read_text().replace("UMask", "Umaks").replace(sys.executable, "/no/python"))
    said = verify(copies)
    assert "Umaks" in said and "/no/python" in said


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_exposed(name: str) -> None:
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(FOLDER / name)],
                          capture_output=True, text=True, check=True)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level and float(level[1]) <= MOST_EXPOSED, done.stdout


def test_roles_run_as_the_supervisor_would_run_them() -> None:
    assert UNIT_OF.keys() == ROLES.keys()
    for role, unit in UNIT_OF.items():
        found = service(unit)
        assert f" -m {ROLES[role].module} --home {DEFAULT} " in found["ExecStart"]
        assert found["User"] == ROLES[role].user
        assert found.get("Environment", "") == " ".join(f"{key}={value}" for key, value in ROLES[role].environment)


def test_what_strangers_speak_to_can_write_nothing_and_may_nothing() -> None:
    found = service("postern-sessions@.service")
    assert found["ProtectSystem"] == "strict" and "ReadWritePaths" not in found
    assert found["CapabilityBoundingSet"] == "" and "AmbientCapabilities" not in found


def test_who_lets_administrators_in_can_write_uploads_alone_and_read_no_configuration() -> None:
    found = service("postern-console.service")
    assert found["ProtectSystem"] == "strict" and found["ReadWritePaths"] == "-/var/lib/postern/drop"
    assert found["CapabilityBoundingSet"] == "" and "AmbientCapabilities" not in found
    members = [line.split()[1:] for line in (FOLDER / "sysusers.conf").read_text().splitlines() if line[:2] == "m "]
    assert [group for user, group in members if user == "postern-console"] == ["postern-admin"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_as_root_or_takes_modules_from_where_it_stands(name: str) -> None:
    found = service(name)
    assert found["User"] in {"postern", "postern-sessions", "postern-console"}
    assert " -P -m " in found["ExecStart"]
