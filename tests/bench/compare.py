"""Postern next to its peers: duels against the bar, memory, the import of a map; writes RESULTS.md.

    python3 compare.py [SCENARIO...]      (make bench)

A duel's ratio is CPU time per operation, ours by theirs: below 1 Postern is the cheaper one.  With scenarios named,
only those are run and nothing is written.
"""
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

from duel import BASE, HERE, duel, show

# scenario: (reach, beyond) of the ratio against nginx
BAR = {
    "imap-login": (0.95, 0.80),
    "pop3-login": (0.95, 0.80),
    "imap-noop": (1.25, 1.0),
    "imap-login-tls": (1.15, 1.0),
    "imap-noop-tls": (1.25, 1.0),
    "imap-fetch-64k": (0.5, 0.35),
    "imap-fetch-16m": (0.5, 0.35),
    "imap-append-1m": (0.5, 0.35),
    "imap-fetch-64k-tls": (0.7, 0.6),
    "imap-fetch-16m-tls": (0.7, 0.6),
}
DOVECOT_REACH = 0.6
# Starts of both for one figure, the median: where a process comes to lie in memory changes it by up to 10 %.
PEERS = {"nginx": 3, "haproxy": 1, "dovecot": 1}  # HAProxy does not log in: a lower bound, not a rival
IDLE = {"imap-idle": (10, 6), "imap-idle-tls": (20, 16)}  # KiB (PSS) per session
HELD = (5000, 9000)
SPREAD = ("imap-login", "pop3-login", "imap-noop", "imap-login-tls")  # two workers, nothing pinned
ROWS, IMPORT_SECONDS, IMPORT_MB = 1_000_000, 15, 150


def met(value, bar):
    """How a figure stands to (reach, beyond)."""
    return "beyond" if value <= bar[1] else "reached" if value <= bar[0] else "MISSED"


def duels(scenarios):
    """{peer: {scenario: (ours, theirs)}}, printed as they come."""
    found = {}
    for peer, starts in PEERS.items():
        found[peer] = {}
        for scenario in scenarios:
            pairs = sorted((duel("postern", peer, [scenario])[scenario] for _ in range(starts)), key=ratio)
            pair = pairs[starts // 2]
            found[peer][scenario] = pair
            print(show(scenario, *pair), flush=True)
    return found


def ratio(pair):
    return pair[0]["cpu_us"] / pair[1]["cpu_us"]


def duel_rows(found):
    """The table of the duels."""
    yield "| Scenario | us per operation | nginx | reach / beyond | | Dovecot, 0.6 | HAProxy, no log-in | p50 ms |"
    yield "|---|---:|---:|---|---|---:|---:|---|"
    for scenario, pair in found["nginx"].items():
        ours, theirs = pair
        nginx, dovecot, haproxy = (ratio(found[peer][scenario]) for peer in ("nginx", "dovecot", "haproxy"))
        reach, beyond = BAR[scenario]
        yield (f"| {scenario} | {ours['cpu_us']:.1f} | {nginx:.2f} | {reach} / {beyond} | {met(nginx, BAR[scenario])} "
               f"| {dovecot:.2f}{'' if dovecot <= DOVECOT_REACH else ' MISSED'} | {haproxy:.2f} "
               f"| {ours['p50_us'] / 1000:.2f}, {theirs['p50_us'] / 1000:.2f} |")


def run(*arguments):
    """The results of one run of run.py."""
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, HERE + "/run.py", *arguments, "--base", str(BASE), "--json", file.name]
        subprocess.run(command, check=True)
        return [json.loads(line) for line in file]


def idle_rows():
    """Memory of sessions held in IDLE."""
    for held in HELD:
        for r in run("postern", *IDLE, "--idle", str(held)):
            bar = IDLE[r["name"]]
            yield (f"| {r['name']}, {r['held']:.0f} held | {r['pss_kib']:.1f} KiB of PSS per session | "
                   f"{bar[0]} / {bar[1]} | {met(r['pss_kib'], bar)} |")


def spread_rows():
    """Two workers, nothing pinned, one peer after the other: on two cores it shows no scaling, but that all is well."""
    ours, theirs = (run(peer, *SPREAD, "--mode", "spread") for peer in ("postern", "nginx"))
    for x, y in zip(ours, theirs, strict=True):
        yield (f"| {x['name']} | {x['cpu_us']:.1f}, {y['cpu_us']:.1f} | {x['ops'] / x['seconds']:.0f}, "
               f"{y['ops'] / y['seconds']:.0f} | {x['errors']:.0f}, {y['errors']:.0f} |")


def import_row():
    """A million rows of CSV into a new home, by the command alone."""
    postern = os.environ.get("POSTERN", os.path.join(HERE, "..", "..", ".venv", "bin", "postern"))
    with tempfile.TemporaryDirectory() as folder:
        file, home = folder + "/people.csv", folder + "/home"
        with open(file, "w") as out:
            out.write("address,backend\n")
            out.writelines(f"user{n}@example.test,store\n" for n in range(ROWS))
        for words in (["init"], ["backend", "add", "store", "imap=127.0.0.1:143"], ["map", "create", "people"]):
            subprocess.run([postern, "--home", home, *words], check=True, stdout=subprocess.DEVNULL)
        began = time.monotonic()
        p = subprocess.Popen([postern, "--home", home, "map", "import", "people", file], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(p.pid, 0)
        seconds, mb, cpu = time.monotonic() - began, usage.ru_maxrss / 1000, usage.ru_utime + usage.ru_stime
    if status:
        raise SystemExit("the import failed")
    state = "reached" if seconds <= IMPORT_SECONDS and mb <= IMPORT_MB else "MISSED"
    took = f"{seconds:.1f} s ({cpu:.1f} s of CPU), {mb:.0f} MB"
    yield f"| map import, {ROWS} rows of CSV | {took} | 15 s, 150 MB / 6 s | {state} |"


def machine():
    """The line that names the machine."""
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout
    return (f"{datetime.datetime.now(datetime.UTC).date()}, commit {commit.strip()}; {os.cpu_count()} cores of {cpu}; "
            f"Linux {platform.release()}, Python {platform.python_version()}.")


def main():
    os.chdir(HERE)
    if sys.argv[1:]:
        duels(sys.argv[1:])
        return
    lines = ["# The last run of the bench\n", machine() + "\n",
             "Ratios of CPU time per operation in duels, ours by theirs: below 1 Postern is the cheaper one.",
             "One worker, limits, logging and metrics on, a map of a million rows in SQLite; see README.md.\n",
             *duel_rows(duels(BAR)), "",
             "| | measured | reach / beyond | |", "|---|---|---|---|", *idle_rows(), *import_row(), "",
             "Two workers, nothing pinned; Postern and nginx, one after the other.\n",
             "| | us of CPU per operation | operations per second | errors |", "|---|---:|---:|---:|", *spread_rows()]
    text = "\n".join(lines) + "\n"
    with open("RESULTS.md", "w") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
