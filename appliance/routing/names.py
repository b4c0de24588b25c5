"""Log-in names and addresses, brought to the one form that maps, accounts, limits and logs use.

The order is fixed: trim, add the default domain, domain to lower case and A-label (RFC 5891), domain alias. Folding
is the map's business (`Name.folded`), and so is the tag: a look-up asks for the whole first, then without the tag.

Must never let through what could be read as something else further on: control characters, blanks, quotes, a second
"@", an empty local part ("@example.test" is a map's key for a whole domain).
"""

from __future__ import annotations

from typing import Final

import idna
import msgspec

LONGEST: Final = 320  # octets: 64 + "@" + 255, RFC 3696 erratum 1690


class Name(msgspec.Struct, frozen=True, gc=False):
    """A normalised name. `domain` is empty for a name without one, `untagged` for a name without a tag."""

    whole: str
    untagged: str = ""
    domain: str = ""

    def folded(self) -> Name:
        """The same in lower case, for maps and accounts that do not tell `Maria` from `maria`."""
        low = self.whole.lower()
        return self if low == self.whole else Name(low, self.untagged.lower(), self.domain)


class NameRules(msgspec.Struct, frozen=True):
    """The site's rules for names. Made by `rules`: domains in it are normalised already."""

    default_domain: str = ""
    delimiter: str = "+"
    aliases: dict[str, str] = {}

    def normalise(self, typed: str) -> Name | None:
        """The name that `typed` stands for; None if it can be nobody's."""
        text = typed.strip()
        if not text or len(text) > LONGEST or not text.isprintable() or " " in text or '"' in text:
            return None
        local, at, domain = text.rpartition("@")
        if not at:
            local, domain = text, self.default_domain
        elif not local or not domain or "@" in local:
            return None
        else:
            domain = domain.lower() if domain.isascii() else normalise_domain(domain)
            if not domain:
                return None
        if self.aliases:
            domain = self.aliases.get(domain, domain)
        whole = f"{local}@{domain}" if domain else local
        if len(whole) > LONGEST or not (whole.isascii() or len(whole.encode()) <= LONGEST):
            return None
        return Name(whole, self._untagged(local, domain) if self.delimiter in local else "", domain)

    def _untagged(self, local: str, domain: str) -> str:
        """The name without its tag; empty if it has none, or would be nothing else."""
        cut = local.find(self.delimiter, 1) if self.delimiter else -1
        if cut <= 0:
            return ""
        return f"{local[:cut]}@{domain}" if domain else local[:cut]


def rules(default_domain: str, delimiter: str, aliases: dict[str, str]) -> NameRules:
    """The rules as configured. Raises ValueError that names a domain which is none."""
    return NameRules(
        _configured(default_domain) if default_domain else "",
        delimiter,
        {_configured(old): _configured(new) for old, new in aliases.items()},
    )


def normalise_domain(domain: str) -> str:
    """Lower case and A-label; empty if it has no such form."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""


def _configured(domain: str) -> str:
    normal = normalise_domain(domain.strip())
    if not normal:
        raise ValueError(f"{domain!r} is not a domain name")
    return normal
