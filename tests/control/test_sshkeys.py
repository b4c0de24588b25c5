"""Public keys as strangers write them: a key, or one sentence; what is stored is what clients offer."""

from __future__ import annotations

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.control import sshkeys
from appliance.control.api import Refused

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa")
PUBLIC = {kind: asyncssh.generate_private_key(kind).export_public_key().decode() for kind in KINDS}
ED = PUBLIC["ssh-ed25519"].split()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_is_what_a_client_offers(kind: str) -> None:
    found = sshkeys.parsed(f"  {' '.join(PUBLIC[kind].split()[:2])} maria at home\r\n")
    assert found["key"].split()[0] == kind and found["comment"] == "maria at home"
    assert found["fingerprint"] == asyncssh.import_public_key(PUBLIC[kind]).get_fingerprint()
    assert sshkeys.same(found["key"], PUBLIC[kind])
    assert not sshkeys.same(found["key"], "")


def test_a_key_of_a_token_is_its_own_kind() -> None:
    """sk-ssh-ed25519: the octets of a plain key with a name behind them; it must not become that plain key."""
    blob = asyncssh.import_public_key(" ".join(ED)).public_data
    name = b"sk-ssh-ed25519@openssh.com"
    token = len(name).to_bytes(4, "big") + name + blob[4 + len(b"ssh-ed25519") :] + b"\0\0\0\4ssh:"
    text = asyncssh.public_key.decode_ssh_public_key(token).export_public_key().decode()
    found = sshkeys.parsed(text)
    assert found["key"].startswith(name.decode()) and not sshkeys.same(found["key"], " ".join(ED))


@given(st.one_of(
    st.text(max_size=200),
    st.builds(lambda a, b, c: f"{a} {b} {c}", st.sampled_from(KINDS), st.text(max_size=80), st.text(max_size=20)),
    st.builds(lambda at, new: ED[0] + " " + ED[1][:at] + new + ED[1][at + len(new):], st.integers(0, 68),
              st.text("AZaz09+/=", min_size=1, max_size=4)),
))  # fmt: skip
def test_any_text_is_a_key_or_one_sentence(text: str) -> None:
    try:
        found = sshkeys.parsed(text)
    except Refused as refused:
        assert "\n" not in refused.text and "internal" not in refused.text
    else:
        assert len(found["key"].split()) == 2 and found["comment"].isprintable()
