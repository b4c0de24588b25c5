"""The TOML file as such: what is written reads back the same, and no text at all makes the reader fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.control import tomlfile, tomlwrite
from appliance.control.api.config import KEPT, Item
from db.catalogue import KINDS, Kind, Setting, check_all

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8)
NAMES = st.text("abcXYZ019-_", min_size=1, max_size=8)
HOSTS = st.sampled_from(["a.test", "192.0.2.1", "[2001:db8::1]", "mail1.example.test"])
ENDPOINTS = st.builds("{}:{}".format, HOSTS, st.integers(1, 65535))
LISTEN = st.builds("{}:{}".format, st.sampled_from(["[::]", "192.0.2.1"]), st.integers(1, 65535))
DOMAINS = st.sampled_from(["a.test", "b.example", "xn--bcher-kva.example"])

BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "text": WORDS,
    "path": st.just("/etc/postern/x"),
    "content": st.just(KEPT),
    "secret": st.just(KEPT),
    "pem": st.just(KEPT),
    "bool": st.booleans(),
    "int": st.integers(1, 10),
    "number": st.sampled_from([0.25, 0.5, 1]),
    "seconds": st.sampled_from([0.5, 1, 30, 2.25]),
    "size": st.sampled_from(["50 MiB", "4096", 8192]),
    "template": st.sampled_from(["{address}", "x{local}"]),
    "delimiter": st.sampled_from(["", "+", "-"]),
    "domain": DOMAINS,
    "domains": st.lists(DOMAINS, max_size=3),
    "names": st.lists(DOMAINS, min_size=1, max_size=3),
    "aliases": st.dictionaries(DOMAINS, DOMAINS, max_size=2),
    "texts": st.lists(WORDS, max_size=40),
    "networks": st.lists(st.sampled_from(["192.0.2.0/24", "2001:db8::/32"]), max_size=2),
    "trusted-networks": st.lists(st.just("198.51.100.0/24"), max_size=1),
    "listen": st.lists(LISTEN, max_size=2),
    "endpoint": ENDPOINTS,
    "target": ENDPOINTS,
    "relay": st.sampled_from(["mx", "none", "smart.test:25"]),
    "url": st.just("https://issuer.test/keys"),
    "urls": st.just(["ldap://127.0.0.1:389"]),
    "pin": st.just("sha256:" + "0f" * 32),
    "ref": st.just(""),
    "refs": st.just([]),
}


def values(setting: Setting) -> st.SearchStrategy[Any]:
    if setting.type == "choice":
        return st.sampled_from(setting.choices)
    if setting.type == "endpoints":
        return st.dictionaries(st.sampled_from(setting.choices), ENDPOINTS, max_size=2)
    if setting.type == "listeners":
        return st.dictionaries(st.sampled_from(setting.choices), st.lists(LISTEN, max_size=2), max_size=2)
    return BY_TYPE[setting.type]


def bodies(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={setting.stored: values(setting) for setting in kind.settings})


@st.composite
def configurations(draw: st.DrawFn) -> list[Item]:
    items = []
    for kind in KINDS.values():
        names = [""] if kind.single else draw(st.lists(NAMES, max_size=2, unique=True))
        for name in names:
            body = draw(bodies(kind))
            if kind.name == "certificate":
                body["names"] = [name, *body.get("names", [])]
            items.append(Item(kind.name, name, body))
    return items


@settings(max_examples=40)
@given(configurations())
def test_what_is_written_reads_back_the_same(items: list[Item]) -> None:
    text = tomlwrite.text_of(tomlfile.document_of(items))
    reading = tomlfile.read(text, lambda path: path)
    assert reading.objects == {(item.kind, item.name): item.body for item in items}
    for line in (fault.line for fault in reading.faults):
        assert 1 <= line <= text.count("\n")


@settings(max_examples=40)
@given(configurations())
def test_each_problem_of_the_catalogue_is_told_in_the_line_of_its_key(items: list[Item]) -> None:
    text = tomlwrite.text_of(tomlfile.document_of(items))
    lines = text.split("\n")
    reading = tomlfile.read(text, lambda path: path)
    told = {fault.text for fault in reading.faults}
    for problem in check_all(reading.objects):
        if reading.objects.get((problem.kind, problem.name), {}).get(problem.key.removesuffix("_file")) == KEPT:
            continue
        assert problem.text in told
        if problem.key in reading.objects.get((problem.kind, problem.name), {}):
            assert lines[reading.fault(problem).line - 1].startswith(problem.key)


KEYS = ("site", "backend", "imap", "name", "listen", "node", "certificate", "names", "x")
HEADS = [form % key for form in ("%s = ", "[%s]\n", "[[%s]]\n") for key in KEYS]
TAILS = ["1\n", '"a"\n', "[1]\n", "{a = 1}\n", "[]\n", "true\n", "1979-05-27\n", "inf\n", '""\n']
PIECES = st.sampled_from(HEADS + TAILS)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    reading = tomlfile.read(text, lambda path: path)
    assert all(fault.line >= 1 and fault.text for fault in reading.faults)


def test_files_are_relative_to_the_toml_and_bounded(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "secret").write_bytes(b"hunter2\r\n")
    login = 'login = "master"\nmaster_user = "m"\nmaster_password_file = "secret"\n'
    (folder / "postern.toml").write_text(f'[[backend]]\nname = "a"\nimap = "a:1"\n{login}')
    reading = tomlfile.load(folder / "postern.toml")
    assert (reading.faults, reading.objects["backend", "a"]["master_password"]) == ([], "hunter2")
    for content, sentence in ((b"x" * 2_000_000, "longer than 1024 KiB"), (b"\xff", "is not UTF-8 text")):
        (folder / "secret").write_bytes(content)
        (fault,) = tomlfile.load(folder / "postern.toml").faults
        assert (fault.line, fault.key) == (6, "backend.a.master_password_file")
        assert sentence in fault.text
    (folder / "postern.toml").write_bytes(b"#" * 5_000_000)
    assert "longer than 4 MiB" in tomlfile.load(folder / "postern.toml").faults[0].text
