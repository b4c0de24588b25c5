"""A real mail store for tests: a stock Dovecot from a private folder, on a loopback address, without systemd.

Must never touch the machine's own Dovecot: its configuration, its run folder, its users. Written for Dovecot 2.3.
"""

from __future__ import annotations

import getpass
import grp
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.services.authority import Certificate
from tests.services.ports import answers, eventually, free_port

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
instance_name = {name}
listen = {host}
protocols = imap pop3 sieve
log_path = {folder}/log
ssl = {starttls}
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_chars =
auth_failure_delay = 0
auth_verbose = yes
auth_master_user_separator = *
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 0
mail_location = sdbox:{folder}/mail/%n
mail_max_userip_connections = 5000
login_trusted_networks = {trusted}
haproxy_trusted_networks = {host}
login_greeting = {name} ready.
{unprivileged}
namespace inbox {{
  inbox = yes
  separator = /
}}
# All clients of the tests come from one address: who guesses wrongly must not slow down the next.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  inet_listener imap_haproxy {{
    port = {haproxied}
    haproxy = yes
  }}
  inet_listener imaps_haproxy {{
    port = {haproxied_tls}
    haproxy = yes
    ssl = yes
  }}
  service_count = 0
  process_min_avail = 1
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  service_count = 0
}}
protocol pop3 {{
  pop3_lock_session = yes
}}
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
  service_count = 0
}}
plugin {{
  sieve = file:{folder}/mail/%n/sieve;active={folder}/mail/%n/.dovecot.sieve
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/master
  master = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%n
}}
"""
# Dovecot begun by an ordinary user: no chroot, and every process as that user.
UNPRIVILEGED = """
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
service managesieve-login {{
  chroot =
}}
"""
MASTER = ("postern-master", "master-s3cret")


class Dovecot:
    """One store: `users` are addresses and their passwords; `starttls` is Dovecot's `ssl` (yes, no, required)."""

    def __init__(
        self,
        folder: Path,
        name: str,
        certificate: Certificate,
        *,
        host: str = "127.0.0.1",
        users: Mapping[str, str],
        starttls: str = "yes",
        trusted: str = "",
    ) -> None:
        self.folder, self.name, self.host, self.certificate = folder, name, host, certificate
        self.starttls = starttls
        self.imap, self.imaps, self.sieve = free_port(host), free_port(host), free_port(host)
        self.pop3, self.pop3s = free_port(host), free_port(host)
        self.haproxied, self.haproxied_tls = free_port(host), free_port(host)  # IMAP behind a PROXY header
        self.master: subprocess.Popen[bytes] | None = None
        (folder / "mail").mkdir(parents=True)
        root = os.geteuid() == 0
        user, group = ("nobody", "nogroup") if root else (getpass.getuser(), grp.getgrgid(os.getegid()).gr_name)
        if root:
            for path in (folder, *folder.parents[:-2]):
                path.chmod(path.stat().st_mode | 0o055)
            os.chown(folder / "mail", 65534, 65534)
        self.add(users)
        (folder / "master").write_text("{}:{{PLAIN}}{}:::::::\n".format(*MASTER))
        (folder / "dovecot.conf").write_text(CONFIGURATION.format(
            folder=folder, name=name, host=host, starttls=starttls, trusted=trusted, user=user, group=group,
            chain=certificate.chain, key=certificate.key, imap=self.imap, imaps=self.imaps, sieve=self.sieve,
            pop3=self.pop3, pop3s=self.pop3s,
            haproxied=self.haproxied, haproxied_tls=self.haproxied_tls,
            unprivileged="" if root else UNPRIVILEGED.format(user=user, group=group)))

    def add(self, users: Mapping[str, str]) -> None:
        """More users, known at once."""
        with (self.folder / "users").open("a") as file:
            file.writelines(f"{address}:{{PLAIN}}{password}:::::::\n" for address, password in users.items())

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.master = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.folder / "dovecot.conf")], stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"})
        try:
            eventually(self.up, f"{self.name} answers")
        except AssertionError:
            self.stop()
            raise

    def up(self) -> bool:
        """Whether it accepts connections. Raises AssertionError if it has ended."""
        assert self.master and self.master.poll() is None, f"{self.name} ended: {self.log()}"
        return answers(self.host, self.imap) and (self.starttls == "no" or answers(self.host, self.imaps))

    def tells(self, text: str, times: int) -> None:
        """Wait until the log says `text` so many times: it is written a moment after the answer was given."""
        eventually(lambda: self.log().count(text) >= times, f"{self.name}'s log says {text!r} {times} times")

    def stop(self) -> None:
        """End it, its sessions included: the whole process group, since its master alone takes seconds."""
        if self.master:
            os.killpg(self.master.pid, signal.SIGTERM)
            self.master.wait(10)
            self.master = None

    def log(self) -> str:
        """What it has logged."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
