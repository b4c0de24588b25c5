"""Requests of whoever looks on: what is so now, then each change of it. Nothing is told that did not change."""

from __future__ import annotations

from appliance.control.api import Request

TOPICS = ("overview", "sessions", "revision", "alerts")


class Watch(Request, frozen=True, tag="watch"):
    """Events {topic, value}: first how each topic stands, then, once a second at most, those that changed.

    overview: {node, version, state, revision, services: [{name, state, reason, sessions, per_minute: [12 counts,
        oldest first: the last minute has only begun], failed_per_minute, failed, log_ins, slowest_ms}], backends:
        [{name, state, reason, since, sessions, users, answers_ms}], queue: {messages}, cluster: {state, nodes}}.
        States as of Status, and `slow` for a back-end. failed, log_ins (that went well), slowest_ms (95 of 100 were
        quicker; null: none) are of the last five minutes, users of the maps in use, answers_ms of the last probes;
        since: seconds since the epoch, null while all is well or where nobody saw it begin.
    sessions: a number that is another one whenever a session came or went. The list itself is to be asked for.
    revision: {revision, trial: null | {id, change, since, until, what}}: of the configuration; a change that waits to
        be kept (`change`: for AuditShow).
    alerts: [{id, level, text, screen, subject, since}], worst first; level: problem | warning; screen: which one
        leads to the cause (services, metrics, backends, certificates, maps, log, bans, audit), about `subject`.
    Progress in between says that the stream is alive.
    """

    topics: tuple[str, ...] = TOPICS


class Overview(Request, frozen=True, tag="overview"):
    """Value: {overview, alerts}, as of Watch, once."""


class Find(Request, frozen=True, tag="find"):
    """People of sqlite maps and accounts by this text, `limit` at most.

    Those of this address come first, then of this local part, then those that begin with it, then that contain it.
    Value: [{address, map, backend, account}]; map and backend null for who is in no map, account null, on or off.
    """

    text: str
    limit: int = 50
