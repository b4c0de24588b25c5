"""Sessions with real clients, against real stores: through the node exactly as directly.

Python's imaplib, curl and openssl s_client; clear, STARTTLS and implicit TLS.
"""

from __future__ import annotations

import imaplib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node.conftest import Stores
from tests.services.authority import Authority
from tests.services.dovecot import Dovecot
from tests.services.node import Node
from tests.services.people import JOERG, MARIA, OTTO, QUOTES, Person
from tests.services.talk import Talk

MESSAGE = b"From: a@example.test\r\nSubject: test\r\n\r\n" + b"0123456789abcdef\r\n" * 5000

DIFFERS = re.compile(r"(UIDVALIDITY|APPENDUID|HIGHESTMODSEQ) \d+|\([0-9. +]+ secs\)")


def direct(store: Dovecot, way: str, authority: Authority) -> imaplib.IMAP4:
    """A connection to the store itself."""
    if way == "tls":
        return imaplib.IMAP4_SSL(store.host, store.imaps, ssl_context=authority.client())
    client = imaplib.IMAP4(store.host, store.imap)
    if way == "starttls":
        client.starttls(authority.client())
    return client


def through(node: Node, way: str) -> imaplib.IMAP4:
    """A connection to the node."""
    if way == "tls":
        return node.tls()
    client = node.clear()
    if way == "starttls":
        client.starttls(node.tls_context())
    return client


def full_session(client: imaplib.IMAP4, who: Person) -> list[object]:
    """Everything the store says in a session that leaves no trace; numbers that differ by nature are replaced."""
    said: list[object] = [client.login(*who)[0], client.capability()[1][-1], client.namespace()]
    said += [client.xatom("ENABLE", "QRESYNC")]
    said += [client.create("trial"), client.append("trial", r"(\Seen)", '"01-Jan-2020 00:00:00 +0000"', MESSAGE)]
    said += [client.select("trial"), client.fetch("1", "(UID FLAGS RFC822.SIZE BODY[])"), client.search(None, "ALL")]
    said += [client.store("1", "+FLAGS", r"(\Deleted)"), client.expunge(), client.close()]
    said += [client.delete("trial"), client.list(), client.logout()]
    return [DIFFERS.sub("...", str(it)) for it in said]


@pytest.mark.parametrize("way", ["clear", "starttls", "tls"])
@pytest.mark.parametrize("who", [MARIA, QUOTES, OTTO], ids=lambda who: who.address)
def test_a_whole_session_is_the_same_as_directly(
    node: Node, stores: Stores, authority: Authority, way: str, who: Person
) -> None:
    store = stores.beta if who is OTTO else stores.alpha
    assert full_session(through(node, way), who) == full_session(direct(store, way, authority), who)


def test_people_reach_their_own_store(node: Node, stores: Stores) -> None:
    for who, store in ((MARIA, stores.alpha), (OTTO, stores.beta)):
        before = store.log().count(f"Login: user=<{who.address}>")
        node.logged_in(*who).logout()
        store.tells(f"Login: user=<{who.address}>", before + 1)


@pytest.mark.parametrize("name", ["MARIA@EXAMPLE.TEST", " maria@example.test", "maria+tag@example.test"])
def test_a_name_finds_its_mailbox_however_it_is_written(node: Node, name: str) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        assert talk.plain(name, MARIA.password)[-1].startswith(b"tag OK")


def test_password_as_literal_and_commands_sent_early(node: Node) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        talk.send(b"a1 LOGIN {%d}\r\n" % len(MARIA.address))
        assert talk.line().startswith(b"+")
        talk.send(MARIA.address.encode() + b" {%d}\r\n" % len(MARIA.password))
        assert talk.line().startswith(b"+")
        talk.send(MARIA.password.encode() + b"\r\na2 SELECT INBOX\r\na3 NOOP\r\n")
        assert talk.until(b"a1")[-1].startswith(b"a1 OK")
        assert talk.until(b"a2")[-1].startswith(b"a2 OK")
        assert talk.until(b"a3")[-1].startswith(b"a3 OK")


def test_password_as_non_synchronising_literal(node: Node) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        talk.send(b"a1 LOGIN {%d+}\r\n%b {%d+}\r\n%b\r\n" % (
            len(MARIA.address), MARIA.address.encode(), len(MARIA.password), MARIA.password.encode()))
        assert talk.until(b"a1")[-1].startswith(b"a1 OK")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_utf8_name_logs_in_by_authenticate(node: Node, mechanism: str) -> None:
    client = node.clear()
    words = iter([JOERG.address.encode(), JOERG.password.encode()])
    answers: dict[str, Callable[[bytes], bytes]] = {
        "PLAIN": lambda _: f"\0{JOERG.address}\0{JOERG.password}".encode(),
        "LOGIN": lambda _: next(words),
    }
    assert client.authenticate(mechanism, answers[mechanism])[0] == "OK"
    assert client.select()[0] == "OK"
    client.logout()


def test_several_tries_on_one_connection(node: Node) -> None:
    with Talk(node.host, node.imap) as talk:
        talk.line()
        assert talk.plain(MARIA.address, "kx-wrong-s3cret")[-1].startswith(b"tag NO [AUTHENTICATIONFAILED]")
        assert talk.plain(*MARIA)[-1].startswith(b"tag OK")


def curl(url: str, who: Person, *words: str) -> str:
    """What curl prints. Raises CalledProcessError if it fails."""
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--user", ":".join(who), *words, url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_curl_the_same_as_directly(node: Node, stores: Stores, authority: Authority, tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes(MESSAGE)
    store, trust = stores.beta, ("--cacert", str(authority.file))
    curl(f"imaps://{node.host}:{node.imaps}/INBOX", OTTO, *trust, "--upload-file", str(message))
    ways = [
        (f"imap://{node.host}:{node.imap}", f"imap://{store.host}:{store.imap}", ("--ssl-reqd", *trust)),
        (f"imap://{node.host}:{node.imap}", f"imap://{store.host}:{store.imap}", ()),
        (f"imaps://{node.host}:{node.imaps}", f"imaps://{store.host}:{store.imaps}", trust),
    ]
    for ours, theirs, words in ways:
        for path in ("/", "/INBOX;MAILINDEX=1", "/INBOX?ALL"):
            answer = curl(ours + path, OTTO, *words)
            assert answer and answer == curl(theirs + path, OTTO, *words)


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_openssl_s_client(node: Node, way: str) -> None:
    port = node.imaps if way == "tls" else node.imap
    words = ["-starttls", "imap"] if way == "starttls" else ["-alpn", "imap"]
    run = subprocess.run(
        ["openssl", "s_client", "-quiet", "-crlf", "-connect", f"{node.host}:{port}", "-CAfile", str(node.authority),
         "-verify_return_error", "-verify_ip", node.host, *words],
        input=f"a LOGIN {MARIA.address} {MARIA.password}\nb SELECT INBOX\nc LOGOUT\n", capture_output=True, text=True,
        timeout=60, check=False)
    assert re.search(r"^a OK .*^b OK .*^c OK", run.stdout, re.M | re.S), run.stdout + run.stderr


def test_a_wrong_alpn_is_refused(node: Node) -> None:
    run = subprocess.run(["openssl", "s_client", "-connect", f"{node.host}:{node.imaps}", "-alpn", "h2,http/1.1"],
                         input="", capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0
    assert "no application protocol" in run.stderr.lower()
