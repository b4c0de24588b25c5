"""All kinds of configuration objects, in the order of the TOML file. Data only."""

from __future__ import annotations

from typing import Final

from db.catalogue import backend, directory, limits, services, site
from db.catalogue.types import Kind

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        site.SITE,
        site.NODE,
        backend.BACKEND,
        directory.LDAP,
        directory.MAP,
        directory.AUTH,
        directory.OAUTH,
        services.IMAP,
        services.POP3,
        services.SIEVE,
        services.SMTP,
        services.SUBMISSION,
        services.WEBMAIL,
        services.CONSOLE,
        services.METRICS,
        services.CERTIFICATE,
        limits.LIMITS,
    )
}
