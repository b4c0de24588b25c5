"""How the cost grows with the size of the map, the sessions held and the back-ends; writes GROWTH.md.

    python3 growth.py

Each figure is a duel with nginx, so that what disturbs the machine disturbs both: nginx knows of none of the three,
so where the ratio stays level, so does our cost.  Takes about a quarter of an hour, most of it for the largest map.
"""
import os

from compare import machine, ratio, run
from duel import HERE, duel

MAP_ROWS = (1_000, 100_000, 1_000_000, 10_000_000)
SESSIONS = (1_000, 5_000, 9_000)
BACKENDS = (1, 100, 1_000)
STARTS = 3
WIDTH = 40  # characters of the longest bar
PROBES = """
Each store is asked every 10 s (`probe_seconds`) at each protocol: 1,000 of them are 200 probes a second, which this
node pays for beside its log-ins, on the same core here."""


def log_in_ratio(**environment):
    """The median of a few duels of imap-login, and our microseconds in it."""
    os.environ.update(environment)
    pairs = sorted((duel("postern", "nginx", ["imap-login"])["imap-login"] for _ in range(STARTS)), key=ratio)
    return ratio(pairs[STARTS // 2]), pairs[STARTS // 2][0]["cpu_us"]


def by_map():
    """(rows, ratio, note)"""
    for rows in MAP_ROWS:
        found, us = log_in_ratio(USERS=str(rows), BACKENDS="1")
        yield f"{rows:,}", found, f"{us:.0f} us"


def by_backends():
    """(back-ends, ratio, note)"""
    for count in BACKENDS:
        found, us = log_in_ratio(USERS="100000", BACKENDS=str(count))
        yield f"{count:,}", found, f"{us:.0f} us"


def by_sessions(scenario):
    """(sessions held, KiB of PSS for each, note)"""
    os.environ.update(BACKENDS="1")
    for held in SESSIONS:
        (result,) = run("postern", scenario, "--idle", str(held))
        yield f"{held:,}", result["pss_kib"], f"{result['hold_cpu_s'] * 1000:.0f} ms of CPU a second"


def table(title, unit, points):
    """A plot in text: a bar for each point, from zero."""
    points = list(points)
    most = max(value for _, value, _ in points)
    yield f"\n## {title}\n\n```"
    for name, value, note in points:
        yield f"{name:>12}  {'█' * round(value / most * WIDTH):{WIDTH}}  {value:5.2f} {unit}, {note}"
    yield "```"


def main():
    os.chdir(HERE)
    lines = ["# How the cost grows\n", machine(),
             *table("A log-in, by the rows of the map", "of nginx", by_map()),
             *table("A log-in, by the back-ends that the map names", "of nginx", by_backends()), PROBES,
             *table("Memory of an idle session, by how many are held", "KiB", by_sessions("imap-idle")),
             *table("The same under TLS", "KiB", by_sessions("imap-idle-tls"))]
    text = "\n".join(lines) + "\n"
    with open("GROWTH.md", "w") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
