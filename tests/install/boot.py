"""Begins a machine in which nothing that is written lasts: this one's files under an overlay, the rest its own.

    unshare --mount --net --uts --ipc python boot.py build FOLDER CHECKOUT INIT

Must never write outside FOLDER, nor show the machine that it runs on to what it begins: own mounts, processes,
network (loopback only), host name, devices and cgroups. FOLDER/wheels is its /mnt. INIT is `reaper`, which only
reaps, or `systemd`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

EMPTY = ("run", "tmp", "opt", "var/lib/postern", "etc/postern", "etc/systemd/system", "dev")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
AS_PROCESS_1 = ["unshare", "--mount", "--cgroup", "--pid", "--fork", "--kill-child"]
INITS = {
    "systemd": ["setpriv", "--bounding-set", "-sys_module,-sys_time", "/lib/systemd/systemd", "--unit=basic.target"],
    "reaper": ["sleep", "infinity"],
}
SET_FLAGS, IS_UP = 0x8914, 1  # SIOCSIFFLAGS and IFF_UP of netdevice(7)


def mount(*words: str | Path) -> None:
    """mount(8)."""
    subprocess.run(["mount", *map(str, words)], check=True)


def build(folder: Path, checkout: Path, init: str) -> None:
    """Everything but the processes; `begin` goes on as process 1, until that ends."""
    mount("--make-rprivate", "/")
    layers = folder / "layers"
    layers.mkdir()
    mount("-t", "tmpfs", "tmpfs", layers)
    upper, work, root = layers / "upper", layers / "work", layers / "root"
    for made in (upper, work, root):
        made.mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root)
    for name in EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / name)
    (root / "tmp").chmod(0o1777)
    devices(root / "dev")
    for shown, place in ((checkout, root / checkout.relative_to("/")), (folder / "wheels", root / "mnt")):
        place.mkdir(parents=True, exist_ok=True)
        mount("--bind", "-o", "ro", shown, place)
    with socket.socket() as loopback:
        fcntl.ioctl(loopback, SET_FLAGS, struct.pack("16sh", b"lo", IS_UP))
    socket.sethostname("bare")
    run([*AS_PROCESS_1, sys.executable, __file__, "begin", str(root), init], layers / "cgroup")


def devices(folder: Path) -> None:
    """The few that every program may need."""
    for name in DEVICES:
        (folder / name).touch()
        mount("--bind", f"/dev/{name}", folder / name)
    for name, kind, options in (("pts", "devpts", "ptmxmode=666,mode=620,gid=5"), ("shm", "tmpfs", "mode=1777")):
        (folder / name).mkdir()
        mount("-t", kind, "-o", options, kind, folder / name)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)


def run(words: list[str], view: Path) -> None:
    """Run it to its end in a cgroup of its own below ours: systemd must be alone in it."""
    view.mkdir()
    mount("-t", "cgroup2", "cgroup2", view)
    own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    made = view / own.removeprefix("0::/") / f"postern-{os.getpid()}"
    made.mkdir()

    def join() -> None:
        (made / "cgroup.procs").write_text(str(os.getpid()))

    subprocess.run(words, preexec_fn=join, check=False)
    for folder, _, _ in os.walk(made, topdown=False):
        os.rmdir(folder)


def begin(root: Path, init: str) -> None:
    """Be process 1."""
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "sysfs", "-o", "ro", "sysfs", root / "sys")
    if init == "systemd":
        mount("-t", "cgroup2", "cgroup2", root / "sys/fs/cgroup")
        mount("--bind", root / "proc/sys", root / "proc/sys")
        mount("-o", "remount,bind,ro", root / "proc/sys")
    os.chdir(root)  # systemd's own mounts for a unit need a real root, which a chroot is not
    Path("before").mkdir()
    subprocess.run(["pivot_root", ".", "before"], check=True)
    os.chroot(".")
    subprocess.run(["umount", "--lazy", "/before"], check=True)
    if init == "reaper":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps for who does not want to hear of it
    words = INITS[init]
    os.execvpe(words[0], words, {"container": "postern-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        begin(Path(sys.argv[2]), sys.argv[3])
