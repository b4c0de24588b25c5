"""Requests about what goes on now: the node at a glance, sessions, log-ins, where an address would go."""

from __future__ import annotations

from appliance.control.api import Request


class Status(Request, frozen=True, tag="status"):
    """Value: {node, version, state, services, backends: [{name, state, reason, sessions}] each,
    queue: {messages}, cluster: {state, nodes}, revision, workers: [name]}.

    state of the node: running | stopped; of a service: on | off | stopped | unavailable (not in this release);
    of a back-end: up | down | partly | drain | unknown.
    """


class SessionList(Request, frozen=True, tag="session list"):
    """Live sessions, oldest first; empty filters match all, others are exact.

    Value: [{id, user, service, from, backend, since, in, out, state}]; since: seconds since the epoch.
    """

    user: str = ""
    service: str = ""
    backend: str = ""
    client: str = ""


class SessionPage(Request, frozen=True, tag="session page"):
    """Live sessions one of whose user, service, client or back-end contains each word of `text`; the first `limit`.

    Ordered by a key of SessionList's value, the other way round if `down`. Value: {sessions, matching, total}.
    """

    text: str = ""
    sort: str = "since"
    down: bool = False
    limit: int = 500


class SessionKick(Request, frozen=True, tag="session kick"):
    """End sessions: those of the ids, and all that match the filters (all of them, where several are given).

    Value: {kicked}. Refused if that is none.
    """

    ids: tuple[str, ...] = ()
    user: str = ""
    service: str = ""
    backend: str = ""
    client: str = ""


class LogTail(Request, frozen=True, tag="log tail"):
    """Events: log-ins that ended, the last `last` of the past first, then (`follow`) as they happen.

    Each {at, session, service, user, client, backend, source, refusal, why, ms}; `outcome`: ok, refused, or one
    refusal's name. Progress in between says that the stream is alive.
    """

    user: str = ""
    service: str = ""
    outcome: str = ""
    last: int = 20
    follow: bool = True


class Route(Request, frozen=True, tag="route"):
    """What would happen if this name logged in now, without its password.

    Value: {address, service, verdict, backend, host, port, login, steps: [{name, result, source, age, ms}], told,
    refusal}; verdict: route | refuse | temporary | relay; age: seconds since it was true for certain.
    `down`: a back-end that counts as down.
    """

    address: str
    service: str = "imap"
    client: str = ""
    down: str = ""
