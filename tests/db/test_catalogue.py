"""The catalogue says the truth about itself: defaults that pass their own checks, sentences, the numbers of terms."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.terms import Limits, Service
from db import catalogue
from db.catalogue import KINDS, Setting
from db.catalogue.values import TYPES, wrong

SETTINGS = [(kind.name, setting) for kind in KINDS.values() for setting in kind.settings]
ids = [f"{kind}.{setting.name}" for kind, setting in SETTINGS]

SAMPLE = """
[site]
domains = ["example.test"]
default_domain = ""
recipient_delimiter = "+"
aliases = {}

[node.mail1]
imap.listen_tls = ["192.0.2.10:993"]

[[backend]]
name = "mail1"
imap = "mail1.example.test:143"
pop3 = ""
sieve = ""
smtp = ""
local = { imap = "127.0.0.1:10143" }
tls = "none"
tls_name = ""
client_address = "none"
login = "replay"
login_name = "{address}"
standby = ""
state = "on"
send_password_file = ""

[[ldap]]
name = "corp"
urls = ["ldap://127.0.0.1:1389"]
bind_dn = ""
base_dn = "dc=example,dc=test"
scope = "subtree"
filter = "(mail={address})"
host_attribute = "mailHost"
password_attribute = "userPassword"
bind_as = "{dn}"
person_classes = ["inetOrgPerson", "user"]
timeout = 4

[[map]]
name = "people"
type = "sqlite"
fold = "lower"

[auth]
method = "internal"

[imap]
enabled = true
listen = []
listen_tls = ["[::]:993"]
clear_login_from = []
proxy_protocol_from = []
map = ["people"]
failover = ""

[smtp]
enabled = true
mode = "routing"
listen = ["[::]:25"]
map = ["people"]
relay = "mx"
relay_networks = []
when_down = "queue"
policy = ""
max_message_size = "50 MiB"

[submission]
enabled = true
listen = []
listen_tls = ["[::]:465"]
clear_login_from = []

[webmail]
enabled = true
listen_tls = ["[::]:443"]

[console]
enabled = true
listen = ["[::]:2222"]

[metrics]
listen = ["127.0.0.1:9153"]
"""  # every key here is promised; what is not commented there is a default
NO_DEFAULT = {"site.domains", "backend.imap", "backend.local", "ldap.urls", "ldap.base_dn", "node.imap"}


def sample() -> dict[tuple[str, str], dict[str, Any]]:
    """The sample's objects, keys as administrators write them."""
    objects: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, table in tomllib.loads(SAMPLE).items():
        if isinstance(table, list):
            objects |= {(kind, catalogue.name_of(kind, item)): without_name(kind, item) for item in table}
        elif KINDS[kind].single:
            objects[kind, ""] = table
        else:
            objects |= {(kind, name): item for name, item in table.items()}
    return objects


def without_name(kind: str, table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != KINDS[kind].named_by}


def written(kind: str, key: str) -> Setting:
    setting = KINDS[kind].written(key)
    assert setting is not None, f"{kind} has no {key}"
    return setting


def test_the_sample_is_right_and_shows_the_defaults() -> None:
    objects = sample()
    for (kind, _), table in objects.items():
        for key, value in table.items():
            assert f"{kind}.{key}" in NO_DEFAULT or written(kind, key).default == value, f"{kind}.{key}"
    stored = {
        (kind, name): {written(kind, key).stored: value for key, value in table.items()}
        for (kind, name), table in objects.items()
    }
    assert catalogue.check_all(stored) == []


def test_limits_are_those_of_the_workers() -> None:
    declared = {setting.name: setting.default for setting in KINDS["limits"].settings}
    assert declared == msgspec.structs.asdict(Limits())
    assert msgspec.convert(catalogue.effective("limits", {}), Limits) == Limits()


def test_each_service_has_its_settings() -> None:
    assert {service.value for service in Service} <= KINDS.keys()
    assert [setting.name for setting in KINDS["imap"].settings] == [setting.name for setting in KINDS["pop3"].settings]
    assert KINDS["pop3"].settings[2].default == ["[::]:995"]
    assert KINDS["sieve"].settings[1].default == ["[::]:4190"]


@pytest.mark.parametrize(("kind", "setting"), SETTINGS, ids=ids)
def test_a_setting_is_whole(kind: str, setting: Setting) -> None:
    assert setting.type in TYPES
    assert setting.required or wrong(setting, setting.default) == ""
    assert len(setting.help) > 25, "a sentence"
    assert setting.help[0].isupper(), "a sentence"
    assert setting.help.endswith("."), "a sentence"
    assert setting.scope in ("site", "node")
    assert not setting.refers or setting.refers in KINDS
    assert setting.file or not setting.secret, "there are no secrets other than files"
    assert setting.type != "choice" or setting.default in setting.choices
    assert (setting.type == "seconds") <= (setting.unit == "seconds")
    assert KINDS[kind].written(setting.name) is setting
    assert KINDS[kind].stored(setting.stored) is setting


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_not_declared_twice(kind: str) -> None:
    assert len({setting.name for setting in KINDS[kind].settings}) == len(KINDS[kind].settings)
    assert len({setting.stored for setting in KINDS[kind].settings}) == len(KINDS[kind].settings)


def test_files_are_stored_by_their_content() -> None:
    stored = {setting.name: setting.stored for setting in KINDS["backend"].settings if setting.file}
    assert stored == {
        "tls_ca": "tls_ca",
        "master_password_file": "master_password",
        "send_password_file": "send_password",
    }


def test_effective_is_fresh() -> None:
    catalogue.effective("imap", {})["listen"].append("[::]:143")
    assert catalogue.effective("imap", {"failover": "a"})["listen"] == []


def test_masked_hides_secrets_only() -> None:
    body = {"master_user": "root", "master_password": "sealed:abc", "send_password": ""}
    assert catalogue.masked("backend", body) == {
        "master_user": "root",
        "master_password": "<kept>",
        "send_password": "",
    }


@pytest.mark.parametrize(
    ("kind", "key", "text", "value"),
    [
        ("imap", "enabled", "no", False),
        ("imap", "enabled", "ON", True),
        ("imap", "listen", "[::]:143, 127.0.0.1:1143", ["[::]:143", "127.0.0.1:1143"]),
        ("imap", "listen", '["[::]:143"]', ["[::]:143"]),
        ("imap", "listen", "", []),
        ("imap", "map", "people,guests", ["people", "guests"]),
        ("imap", "failover", "old.example:143", "old.example:143"),
        ("limits", "retries", "0", 0),
        ("limits", "retry_pause", "0.5", 0.5),
        ("backend", "local", "imap=127.0.0.1:10143,pop3=[::1]:110", {"imap": "127.0.0.1:10143", "pop3": "[::1]:110"}),
        ("backend", "local", '{"imap": "127.0.0.1:1"}', {"imap": "127.0.0.1:1"}),
        ("backend", "tls_ca", "/etc/ca.pem", "/etc/ca.pem"),
        ("backend", "tls_pin", "sha256:" + "a1" * 32, "sha256:" + "a1" * 32),
        ("site", "aliases", "old.example=new.example", {"old.example": "new.example"}),
        ("smtp", "max_message_size", "64K", "64K"),
        ("ldap", "bind_as", "CORP\\{local}", "CORP\\{local}"),
    ],
)
def test_values_of_commands(kind: str, key: str, text: str, value: object) -> None:
    assert catalogue.parse_value(kind, key, text) == value


@pytest.mark.parametrize(
    ("kind", "key", "text", "sentence"),
    [
        ("imap", "lisen", "x", "imap has no setting 'lisen'; did you mean 'listen'?"),
        ("imap", "enabled", "maybe", 'enabled must be true or false, not "maybe"'),
        ("imap", "listen", "993", "ADDRESS:PORT"),
        ("imap", "listen", "localhost:993", "ADDRESS:PORT"),
        ("imap", "listen", "[::]:0", "ADDRESS:PORT"),
        ("imap", "listen", "[::]:65536", "ADDRESS:PORT"),
        ("imap", "clear_login_from", "10.0.0.1/8", "a network like"),
        ("imap", "failover", "a:b", "a back-end or HOST:PORT"),
        ("limits", "retries", "1.5", "a whole number from 0 to 10"),
        ("limits", "retries", "11", "a whole number from 0 to 10"),
        ("limits", "preauth_share", "nan", "a number from"),
        ("limits", "connect_seconds", "ten", "a number of seconds from 0.1"),
        ("backend", "imap", "::1:143", "HOST:PORT"),
        ("backend", "imap", "mail1", "HOST:PORT"),
        ("backend", "local", "imp=127.0.0.1:1", "protocols from imap, pop3"),
        ("backend", "tls", "ssl", 'one of none, starttls, implicit, not "ssl"'),
        ("backend", "login_name", "{user}", "only {address}, {domain}, {local} stand in braces"),
        ("backend", "tls_name", "a\r\nb", "one line without control characters"),
        ("backend", "tls_pin", "sha256:12", "64 hexadecimal digits"),
        ("site", "recipient_delimiter", "++", "one of"),
        ("imap", "proxy_protocol_from", "0.0.0.0/0", "smaller than the whole internet"),
        ("smtp", "relay_networks", "0.0.0.0/0", "smaller than the whole internet"),
        ("smtp", "relay_networks", "::/0", "smaller than the whole internet"),
        ("smtp", "max_message_size", "50 apples", "a size like 50 MiB"),
        ("ldap", "urls", "http://x", "ldap:// or ldaps://"),
    ],
)
def test_wrong_values_of_commands(kind: str, key: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        catalogue.parse_value(kind, key, text)
    assert sentence in str(error.value)


def test_sizes() -> None:
    sizes: list[str | int] = ["50 MiB", "64K", "1g", "10 B", "7", 7]
    assert [catalogue.octets(size) for size in sizes] == [50 << 20, 65536, 1 << 30, 10, 7, 7]


@given(st.sampled_from(SETTINGS), st.text(max_size=60))
def test_any_text_is_a_right_value_or_a_sentence(declared: tuple[str, Setting], text: str) -> None:
    kind, setting = declared
    try:
        value = catalogue.parse_value(kind, setting.name, text)
    except ValueError as error:
        assert str(error).startswith(setting.name)
    else:
        assert setting.file or wrong(setting, value) == ""


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(SETTINGS), values)
def test_any_value_is_judged(declared: tuple[str, Setting], value: object) -> None:
    kind, setting = declared
    problems = catalogue.check_all({(kind, "" if KINDS[kind].single else "x"): {setting.stored: value}})
    assert all(problem.text for problem in problems)
    if wrong(setting, value):
        assert setting.name in {problem.key for problem in problems}
