"""The reference pages say what the program does: no more, no less."""

from __future__ import annotations

from pathlib import Path

from appliance.control.tally import METRICS
from db.catalogue import reference
from tui.place import places

ROOT = Path(__file__).parents[2]


def metric_rows() -> list[str]:
    rows = []
    for name, metric in METRICS.items():
        shown = f"postern_{name}" + ("" if metric.is_gauge or metric.is_timing else "_total")
        rows.append(f"| `{shown}` | {', '.join(metric.labels)} | {metric.help} |")
    return rows


def test_settings_page_is_the_catalogue() -> None:
    assert (ROOT / "docs/settings.md").read_text() == reference.page(), (
        "stale: python -m db.catalogue.reference > docs/settings.md"
    )


def test_every_metric_of_the_workers_is_described() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    assert [row for row in metric_rows() if row not in page] == []


def test_every_screen_of_the_console_is_named_with_its_key() -> None:
    page = (ROOT / "docs/console.md").read_text()
    named = [line.split(" |")[:2] for line in page.splitlines() if line.startswith("| `:") and line[4] != "`"]
    there = [[f"| `:{one.name}`", f" `{one.key}`" if one.key else ""] for one in places().values()]
    assert sorted(named) == sorted(there)


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for target in page.read_text().split("](")[1:]:
            path = target.split(")")[0].split("#")[0]
            assert not path or path.startswith("http") or (page.parent / path).exists(), f"{page.name}: {path}"
