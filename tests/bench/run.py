"""Runs mailbench scenarios through a proxy and reports rate, latency and CPU cost.

A peer is a directory with two files:
  supports   words: imap imap-tls pop3 smtp, and smtp-noauth where the peer does
             not offer AUTH
  start      a program that starts the peer in the foreground.  It finds in its
             environment the BACKEND_* and LISTEN_* ports, TLS_CERT and TLS_KEY,
             MAP (SQLite: table map, columns user, host, port), USERS, WORKERS,
             RUN_DIR (an empty folder), WORK (a folder that is kept between runs)
             and PEER_DIR; "$RENDER file" prints a configuration template with each
             @NAME@ filled in from there.
The processes that `start` begets are what is charged to the peer.

Figures: "cpu" is the CPU time of the peer's processes per operation (kernel work
on their behalf included); "all" adds that of the load generator and the back-end;
"busy" is the share of one core that the peer got; "other" is the share of one core
that went to anything else on the machine: noise, unless the peer makes the kernel
work in its own threads.
"""
import argparse
import fcntl
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

from accounting import Accounting, children_cpu, core_busy, kernel_threads_cpu, meminfo, tcp_buffer_kib, thread_cpu
from report import median_of, show

HERE = os.path.dirname(os.path.abspath(__file__))
# added to --base
BACKEND = {"imap": 143, "pop3": 110, "smtp": 125}
LISTEN = {"imap": 1143, "imap-tls": 1993, "pop3": 1110, "smtp": 1125}
AUX_PORT = 1080
PROXY_CORE, LOAD_CORE = 0, 1

# name: (service, scenario of the load generator, arguments)
SCENARIOS = {
    "imap-login": ("imap", "imap-login", "-c 50"),
    "imap-noop": ("imap", "imap-noop", "-c 50"),
    "imap-fetch-64k": ("imap", "imap-fetch", "-c 16 -s 65536"),
    "imap-fetch-16m": ("imap", "imap-fetch", "-c 4 -s 16777216"),
    "imap-append-1m": ("imap", "imap-append", "-c 8 -s 1048576"),
    "imap-idle": ("imap", "imap-idle", "-c 5000"),
    "imap-login-tls": ("imap-tls", "imap-login", "-T -c 50"),
    "imap-noop-tls": ("imap-tls", "imap-noop", "-T -c 50"),
    "imap-fetch-64k-tls": ("imap-tls", "imap-fetch", "-T -c 16 -s 65536"),
    "imap-fetch-16m-tls": ("imap-tls", "imap-fetch", "-T -c 4 -s 16777216"),
    "imap-idle-tls": ("imap-tls", "imap-idle", "-T -c 5000"),
    "pop3-login": ("pop3", "pop3-login", "-c 50"),
    "smtp-msg": ("smtp", "smtp-msg", "-c 20 -s 10240"),
    "smtp-msg-10r": ("smtp", "smtp-msg", "-c 20 -s 10240 -r 10"),
}


def make_map(path, users):
    """A map of `users` rows, all of them pointing at the fake back-end."""
    if os.path.exists(path):
        db = sqlite3.connect(path)
        (made_for,) = db.execute("PRAGMA user_version").fetchone()
        db.close()
        if made_for == users:
            return
        os.unlink(path)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE map (user TEXT PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL) WITHOUT ROWID")
    db.executemany(
        "INSERT OR REPLACE INTO map VALUES (?, '127.0.0.1', 0)",
        ((f"user{i}@example.test",) for i in range(users)),
    )
    db.commit()
    db.execute(f"PRAGMA user_version = {users}")
    db.close()
    os.chmod(path, 0o644)


def make_cert(cert, key):
    if not os.path.exists(cert):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=proxy.example.test", "-days", "365", "-keyout", key, "-out", cert],
            check=True, stderr=subprocess.DEVNULL)
        os.chmod(key, 0o644)


class Bench:
    def __init__(self, args):
        self.args = args
        self.run_dir = tempfile.mkdtemp(prefix="mailbench-")
        os.chmod(self.run_dir, 0o755)
        self.work = args.work
        os.makedirs(self.work, exist_ok=True)
        self.cert, self.key = self.work + "/cert.pem", self.work + "/key.pem"
        self.map = self.work + "/map.sqlite"
        with open(self.work + "/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)    # two runs of a duel begin together
            make_cert(self.cert, self.key)
            make_map(self.map, args.users)
        self.spread = args.mode == "spread"
        self.accounting = Accounting()
        self.backend = self.peer = None

    def pin(self, core):
        if not self.spread:
            os.sched_setaffinity(0, {core})

    def start(self, peer_dir):
        ports = [str(BACKEND[k]) for k in ("imap", "pop3", "smtp")]
        self.backend = subprocess.Popen([HERE + "/backend", *ports], stdout=subprocess.PIPE,
                                        preexec_fn=lambda: self.pin(LOAD_CORE))
        if self.backend.stdout.readline() != b"ready\n":
            raise SystemExit("the back-end did not start: is something else on its ports?")
        if os.path.basename(peer_dir) != "direct":
            self.start_peer(peer_dir)

    def environment(self, peer_dir):
        env = dict(os.environ, PEER_DIR=peer_dir, RUN_DIR=self.run_dir, TLS_CERT=self.cert, TLS_KEY=self.key,
                   MAP=self.map, USERS=str(self.args.users), WORKERS="2" if self.spread else "1",
                   WORK=self.work, AUX_PORT=str(self.args.base + AUX_PORT), RENDER=f"{sys.executable} {HERE}/render.py")
        env.update({f"BACKEND_{k.upper()}": str(v) for k, v in BACKEND.items()})
        env.update({f"LISTEN_{k.upper().replace('-', '_')}": str(v) for k, v in LISTEN.items()})
        return env

    def start_peer(self, peer_dir):
        def child():
            os.setsid()
            self.accounting.enter()
            self.pin(PROXY_CORE)

        with open(self.run_dir + "/peer.log", "w") as log:
            self.peer = subprocess.Popen([peer_dir + "/start"], env=self.environment(peer_dir), preexec_fn=child,
                                         cwd=self.run_dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.accounting.pid = self.peer.pid

    def peer_log(self):
        with open(self.run_dir + "/peer.log") as f:
            return f.read()[-2000:]

    def wait_ready(self, services):
        deadline = time.monotonic() + 180
        for service in services:
            while True:
                if self.peer and self.peer.poll() is not None:
                    raise SystemExit("the peer ended:\n" + self.peer_log())
                try:
                    with socket.create_connection(("127.0.0.1", self.port(service)), 1) as s:
                        s.settimeout(2)
                        if service.endswith("-tls") or s.recv(1):
                            break
                except OSError:
                    pass
                if time.monotonic() > deadline:
                    raise SystemExit(f"{service} does not answer:\n" + self.peer_log())
                time.sleep(0.1)

    def port(self, service):
        return LISTEN[service] if self.peer else BACKEND[service]

    def stop(self):
        for p in (self.peer, self.backend):
            if p and p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        self.accounting.close()
        if self.args.keep:
            print("logs in", self.run_dir, file=sys.stderr)
        else:
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def load(self, service, scenario, arguments, limit, count):
        command = [HERE + "/load", *arguments.split(), "-u", str(self.args.users), "-t", str(limit),
                   "-n", str(count), scenario, "127.0.0.1", str(self.port(service))]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: self.pin(LOAD_CORE))

    def measure(self, name, supports):
        service, scenario, arguments = SCENARIOS[name]
        if service == "smtp" and "smtp-noauth" in supports:
            arguments += " -A"
        if scenario == "imap-idle":
            arguments = arguments.replace("5000", str(self.args.idle))
            return self.measure_idle(service, scenario, arguments)
        warm = self.load(service, scenario, arguments.replace("16777216", "65536"), 2, 500)
        warm.communicate()
        time.sleep(0.2)
        cpu, cores, started = self.accounting.cpu_seconds(), sum(core_busy()), time.monotonic()
        kernel = kernel_threads_cpu()
        ours = thread_cpu(self.backend.pid) + children_cpu()
        p = self.load(service, scenario, arguments, self.args.seconds, 2000000)
        out, _ = p.communicate(timeout=self.args.seconds + 30)
        if self.args.drain:
            # store-and-forward peers go on after the load has ended
            while True:
                before = self.accounting.cpu_seconds()
                time.sleep(0.5)
                if self.accounting.cpu_seconds() - before < 0.02:
                    break
        cpu = self.accounting.cpu_seconds() - cpu
        elapsed = time.monotonic() - started
        cores = sum(core_busy()) - cores
        total = thread_cpu(self.backend.pid) + children_cpu() - ours + cpu
        r = json.loads(out)
        ops = max(r["ops"], 1)
        kernel = kernel_threads_cpu() - kernel
        moved = max(r["mb_in"] + r["mb_out"], 1e-9)
        r.update(cpu_us=cpu / ops * 1e6, all_us=total / ops * 1e6, kthread_us=kernel / ops * 1e6, busy=cpu / elapsed,
                 other=max(0, cores - total) / elapsed)
        if "fetch" in scenario or "append" in scenario:
            r.update(mb_s=moved / r["seconds"], cpu_s_gb=cpu / moved * 1000, all_s_gb=total / moved * 1000)
        return r

    def measure_idle(self, service, scenario, arguments):
        time.sleep(0.5)
        pss0, rss0 = self.accounting.memory_kib()
        slab0, tcp0 = meminfo("Slab"), tcp_buffer_kib()
        cpu = self.accounting.cpu_seconds()
        p = self.load(service, scenario, arguments, 60, self.args.idle)
        line = p.stdout.readline()
        n = int(line.split()[1]) if line.startswith("held") else 0
        time.sleep(1)
        pss, rss = self.accounting.memory_kib()
        slab, tcp = meminfo("Slab"), tcp_buffer_kib()
        cpu = self.accounting.cpu_seconds() - cpu
        cpu_hold = self.accounting.cpu_seconds()
        time.sleep(1)
        cpu_hold = self.accounting.cpu_seconds() - cpu_hold
        out, _ = p.communicate("go\n", timeout=60)
        r = json.loads(out)
        k = max(n, 1)
        r.update(held=n, pss_kib=(pss - pss0) / k, rss_kib=(rss - rss0) / k, base_pss_kib=pss0,
                 slab_kib=(slab - slab0) / k, tcp_buffer_kib=(tcp - tcp0) / k, cpu_us=cpu / k * 1e6,
                 hold_cpu_s=cpu_hold)
        return r


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer", help="a name under peers/, or a peer directory")
    p.add_argument("scenario", nargs="*", help="default: all that the peer supports: " + " ".join(SCENARIOS))
    p.add_argument("--mode", choices=("pinned", "spread"), default="pinned",
                   help="pinned: the peer on one core, load and back-end on the other; spread: no pinning, two workers")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--seconds", type=int, default=3, help="length of one run")
    p.add_argument("--users", type=int, default=1000000)
    p.add_argument("--idle", type=int, default=5000, help="sessions held in the idle scenarios")
    p.add_argument("--drain", action="store_true", help="count the CPU time until the peer has come to rest")
    p.add_argument("--base", type=int, default=21000, help="ports used are BASE+100 to BASE+2000")
    p.add_argument("--work", default="/tmp/mailbench", help="where the certificate and the map are kept")
    p.add_argument("--json", help="append the results to this file, one object per line")
    p.add_argument("--keep", action="store_true", help="keep the peer's configuration and logs")
    p.add_argument("--label", help="name to record instead of the peer's")
    args = p.parse_intermixed_args()
    peer_dir = args.peer if "/" in args.peer else f"{HERE}/peers/{args.peer}"
    peer_dir = os.path.abspath(peer_dir)
    with open(peer_dir + "/supports") as f:
        supports = f.read().split()
    names = args.scenario or [n for n, s in SCENARIOS.items() if s[0] in supports]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    label = args.label or os.path.basename(peer_dir)
    for ports in (BACKEND, LISTEN):
        ports.update((k, v + args.base) for k, v in list(ports.items()))
    bench = Bench(args)
    failed = False
    try:
        bench.start(peer_dir)
        bench.wait_ready([s for s in LISTEN if s in supports])
        for name in names:
            idle = SCENARIOS[name][1] == "imap-idle"
            runs = [bench.measure(name, supports) for _ in range(1 if idle else args.repeat)]
            r = median_of(runs)
            r.update(peer=label, name=name, mode=args.mode, seconds_each=args.seconds)
            failed |= r["errors"] > 0
            first = f"  FIRST ERROR {r['first_error']}" if r["errors"] else ""
            print(f"{label:16} {args.mode:6} {show(name, r)}{first}", flush=True)
            if args.json:
                with open(args.json, "a") as f:
                    f.write(json.dumps(r) + "\n")
    finally:
        bench.stop()
    return failed


if __name__ == "__main__":
    sys.exit(main())
