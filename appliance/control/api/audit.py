"""Requests about what was changed, by whom, and taking it back."""

from __future__ import annotations

from appliance.control.api import Request


class AuditList(Request, frozen=True, tag="audit list"):
    """Value: [{id, entry, at, by, origin, what, verdict}], newest first, those before revision `before`."""

    before: int = 0
    limit: int = 50


class AuditShow(Request, frozen=True, tag="audit show"):
    """Value: the row of AuditList with `conflict` and changes: [{table, key, keys: [{key, old, new}]}]."""

    id: str


class AuditRevert(Request, frozen=True, tag="audit revert"):
    """Put back what this change replaced. Refused if a later change touched the same rows. Value: {revision}."""

    id: str
