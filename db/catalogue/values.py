"""The types of settings: what a value must be, and how it is written after `KEY=` on a command line.

TYPES is the whole list. A check answers with what the value must be ("a number from 1 to 9"), or with "" if it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from db.catalogue import formats
from db.catalogue.types import Setting

Check = Callable[[Setting, Any], str]


# --- checks --------------------------------------------------------------------------------------------------


def _each(of: Callable[[Setting, str], str]) -> Check:
    def check(setting: Setting, value: Any) -> str:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return "a list of texts"
        return next((f"a list in which each item is {wrong}" for item in value if (wrong := of(setting, item))), "")

    return check


def _one(of: Callable[[Setting, str], str], empty: bool = True) -> Check:
    def check(setting: Setting, value: Any) -> str:
        if not isinstance(value, str):
            return "a text"
        return "" if empty and not value else of(setting, value)

    return check


def _is(true: Callable[[str], Any], what: str) -> Callable[[Setting, str], str]:
    """A check from a function that answers False or raises ValueError."""

    def check(_: Setting, value: str) -> str:
        try:
            return "" if true(value) is not False else what
        except ValueError:
            return what

    return check


def _bool(_: Setting, value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _number(kinds: tuple[type, ...], what: str) -> Check:
    def check(setting: Setting, value: Any) -> str:
        low, high = setting.minimum, setting.maximum
        inside = isinstance(value, kinds) and not isinstance(value, bool) and value == value
        inside = inside and (low is None or value >= low) and (high is None or value <= high)
        limits = (f" from {low:,}" if low is not None else "") + (f" to {high:,}" if high is not None else "")
        return "" if inside else f"{what}{limits}"

    return check


def _size(setting: Setting, value: Any) -> str:
    try:
        number = formats.octets(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else -1
    except ValueError:
        number = -1
    return "" if number >= (setting.minimum or 0) else f"a size like 50 MiB, at least {setting.minimum or 0:g} bytes"


def _choice(setting: Setting, value: str) -> str:
    named = ", ".join(choice for choice in setting.choices if choice)
    return "" if value in setting.choices else f"one of {named}"


def _template(setting: Setting, value: str) -> str:
    allowed = {f"{{{name}}}" for name in setting.choices}
    left = re.sub(r"\{[a-z]+\}", lambda found: "" if found[0] in allowed else found[0], value)
    if "{" not in left and "}" not in left and formats.is_line(value):
        return ""
    return f"a text in which only {', '.join(sorted(allowed))} stand in braces"


def _url(setting: Setting, value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme in setting.choices and rest and formats.is_line(value) and " " not in value:
        return ""
    return f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in setting.choices)}"


def _trusted_network(_: Setting, value: str) -> str:
    try:
        return "" if formats.network(value).prefixlen else "a network smaller than the whole internet"
    except ValueError:
        return _NETWORK


def _relay(_: Setting, value: str) -> str:
    return "" if value in ("mx", "none") or not _endpoint(_, value) else "mx, none, or HOST:PORT"


def _target(_: Setting, value: str) -> str:
    return "" if formats.is_line(value) and (":" not in value or not _endpoint(_, value)) else "a back-end or HOST:PORT"


def _table(of: Callable[[Setting, str], str] | None, keys: str) -> Check:
    """A table of texts; of listening addresses if `of` is None. `keys`: what its keys are."""

    def check(setting: Setting, value: Any) -> str:
        if not isinstance(value, dict):
            return "a table"
        for key, item in value.items():
            if setting.choices and key not in setting.choices:
                return f"a table with {keys} from {', '.join(setting.choices)}"
            if not setting.choices and not formats.is_domain(key):
                return f"a table whose keys are {keys}"
            wrong = _each(_listen)(setting, item) if of is None else _one(of, empty=False)(setting, item)
            if wrong:
                return f"a table in which {key} is {wrong}"
        return ""

    return check


_NETWORK: Final = "a network like 192.0.2.0/24 (its address without bits to the right of the mask)"
_line = _is(formats.is_line, "one line without control characters")
_endpoint = _is(formats.host_port, "HOST:PORT")
_domain = _is(formats.is_domain, "a domain name")
_pem = _is(lambda text: "-----BEGIN " in text, "a file in PEM format")


def _listen(setting: Setting, value: str) -> str:
    if _endpoint(setting, value) or not formats.is_ip(formats.host_port(value)[0]):
        return "ADDRESS:PORT, like [::]:993 or 192.0.2.1:993"
    return ""


def _name(_: Setting, value: str) -> str:
    host = value.removeprefix("*.")
    return "" if value == "*" or formats.is_domain(host) else "a host name, *.DOMAIN, or *"


# --- texts of commands -----------------------------------------------------------------------------------------

_YES: Final = ("true", "yes", "on", "1")
_NO: Final = ("false", "no", "off", "0")


def _text(text: str) -> Any:
    return text


def _to_bool(text: str) -> Any:
    word = text.strip().lower()
    return word in _YES if word in (*_YES, *_NO) else text


def _to_number(text: str) -> Any:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _to_list(text: str) -> Any:
    """Items between commas, or a JSON list."""
    if text.lstrip().startswith(("[", "{")) and (found := _json(text)) is not None:
        return found
    return [item.strip() for item in text.split(",") if item.strip()]


def _to_table(text: str) -> Any:
    """`a=b,c=d`, or a JSON object."""
    if text.lstrip().startswith("{"):
        found = _json(text)
        return text if found is None else found
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    return {key.strip(): value.strip() for key, _, value in pairs}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


Parse = Callable[[str], Any]
TYPES: Final[dict[str, tuple[Check, Parse]]] = {
    "text": (_one(_line), _text),
    "path": (_one(_is(lambda text: text.startswith("/") and formats.is_line(text), "an absolute path")), _text),
    "content": (_one(_is(lambda _: True, "")), _text),
    "secret": (_one(_is(lambda _: True, "")), _text),
    "pem": (_one(_pem), _text),
    "bool": (_bool, _to_bool),
    "int": (_number((int,), "a whole number"), _to_number),
    "number": (_number((int, float), "a number"), _to_number),
    "seconds": (_number((int, float), "a number of seconds"), _to_number),
    "size": (_size, _text),
    "choice": (_one(_choice, empty=False), _text),
    "template": (_one(_template, empty=False), _text),
    "delimiter": (_one(_is(lambda text: len(text) == 1 and text in "+-=_.#", "one of + - = _ . #")), _text),
    "domain": (_one(_domain), _text),
    "domains": (_each(_domain), _to_list),
    "names": (_each(_name), _to_list),
    "aliases": (_table(_domain, "domains"), _to_table),
    "texts": (_each(_line), _to_list),
    "networks": (_each(_is(formats.network, _NETWORK)), _to_list),
    "trusted-networks": (_each(_trusted_network), _to_list),
    "listen": (_each(_listen), _to_list),
    "listeners": (_table(None, "lists"), _to_table),
    "endpoint": (_one(_endpoint), _text),
    "endpoints": (_table(_endpoint, "protocols"), _to_table),
    "target": (_one(_target), _text),
    "relay": (_one(_relay, empty=False), _text),
    "url": (_one(_url), _text),
    "urls": (_each(_url), _to_list),
    "pin": (_one(_is(formats.is_pin, "sha256: and 64 hexadecimal digits")), _text),
    "ref": (_one(_line), _text),
    "refs": (_each(_line), _to_list),
}


def wrong(setting: Setting, value: Any) -> str:
    """What is wrong with a value, as a sentence that begins with the setting's name; empty if nothing is."""
    must = TYPES[setting.type][0](setting, value)
    shown = "" if setting.secret or setting.file or not must else f", not {_short(value)}"
    return f"{setting.name} must be {must}{shown}" if must else ""


def parsed(setting: Setting, text: str) -> Any:
    """The value that a command's text means; the path itself where the setting is a file. Raises ValueError."""
    if setting.file:
        return text
    value = TYPES[setting.type][1](text)
    if problem := wrong(setting, value):
        raise ValueError(problem)
    return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
