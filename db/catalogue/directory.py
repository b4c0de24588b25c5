"""Settings of who people are and where they live: maps, LDAP connectors, how passwords are checked. Data only."""

from __future__ import annotations

from typing import Final

from db.catalogue.types import Kind, Setting

LDAP: Final = Kind(
    name="ldap",
    named_by="name",
    help="A connector to an LDAP directory, used by maps and for checking passwords.",
    settings=(
        Setting(
            name="urls",
            type="urls",
            default=[],
            required=True,
            choices=("ldap", "ldaps"),
            help="The directory's servers, tried in this order: ldap://HOST:PORT or ldaps://HOST:PORT.",
        ),
        Setting(
            name="starttls",
            type="bool",
            default=False,
            help="Whether an ldap:// connection must be protected by StartTLS before anything is asked.",
        ),
        Setting(
            name="ca",
            type="pem",
            file=True,
            help="Certificates (PEM) of the authorities that may vouch for the servers. Empty: those of the system.",
        ),
        Setting(name="bind_dn", type="text", help="The entry that we search as. Empty: we search anonymously."),
        Setting(name="bind_password_file", type="secret", file=True, secret=True, help="The file with its password."),
        Setting(name="base_dn", type="text", required=True, help="The entry below which people are searched."),
        Setting(
            name="scope",
            type="choice",
            default="subtree",
            choices=("base", "one", "subtree"),
            help="How far below: that entry alone, its children, or everything.",
        ),
        Setting(
            name="filter",
            type="template",
            default="(mail={address})",
            choices=("address", "local", "domain"),
            help="The filter that finds one person; {address}, {local} and {domain} are filled in, always escaped.",
        ),
        Setting(
            name="host_attribute",
            type="text",
            default="mailHost",
            help="The attribute that says where a person's mail lives: a back-end's name, host or address.",
        ),
        Setting(
            name="password_attribute",
            type="text",
            default="userPassword",
            help="The attribute with the password hash, for maps of type ldap-password.",
        ),
        Setting(
            name="bind_as",
            type="template",
            default="{dn}",
            choices=("dn", "address", "local", "domain"),
            help="The name to bind as when the directory checks the password: {dn} is the entry that was found; Active "
            "Directory also takes {local}@corp.example or CORP\\{local}.",
        ),
        Setting(
            name="person_classes",
            type="texts",
            default=["inetOrgPerson", "user"],
            help="The object classes that coverage counts as a person.",
        ),
        Setting(
            name="timeout",
            type="seconds",
            default=4,
            unit="seconds",
            minimum=0.1,
            maximum=60,
            help="How long one server may take to answer before the next one is asked.",
        ),
    ),
)

MAP: Final = Kind(
    name="map",
    named_by="name",
    help="A user map: which address lives on which back-end.",
    settings=(
        Setting(
            name="type",
            type="choice",
            default="sqlite",
            choices=("sqlite", "file", "ldap-password", "ldap-bind"),
            help="Where its entries are: imported into our own database, in a file on each node, or in a directory "
            "that either shows us the password hash or checks the password itself.",
        ),
        Setting(
            name="fold",
            type="choice",
            default="lower",
            choices=("lower", "none"),
            help="Whether upper and lower case in the part before the @ are the same person.",
        ),
        Setting(
            name="path",
            type="path",
            help="For type file: the file, with lines of ADDRESS, @DOMAIN or /REGEX/ and a back-end. It is read "
            "again when it changes.",
        ),
        Setting(name="ldap", type="ref", refers="ldap", help="For the LDAP types: the connector that is asked."),
    ),
)

AUTH: Final = Kind(
    name="auth",
    single=True,
    help="Who decides whether a password is right.",
    settings=(
        Setting(
            name="method",
            type="choice",
            default="internal",
            choices=("internal", "ldap", "backend"),
            help="Accounts of our own, a directory, or the mail store itself.",
        ),
        Setting(name="ldap", type="ref", refers="ldap", help="For the method ldap: the connector that is asked."),
        Setting(
            name="ldap_check",
            type="choice",
            default="bind",
            choices=("bind", "password"),
            help="For the method ldap: whether the directory checks the password, or shows us its hash.",
        ),
    ),
)

OAUTH: Final = Kind(
    name="oauth",
    named_by="issuer",
    help="An authority whose tokens (XOAUTH2, OAUTHBEARER) are accepted instead of passwords.",
    settings=(
        Setting(
            name="audience",
            type="text",
            help="Whom a token must be meant for. Empty: anyone.",
        ),
        Setting(
            name="claim", type="text", default="email", help="The claim of the token that holds the mailbox address."
        ),
        Setting(name="jwks", type="url", choices=("https", "http"), help="Where the authority publishes its keys."),
        Setting(
            name="introspection",
            type="url",
            choices=("https", "http"),
            help="Where the authority answers whether a token is valid, in place of keys.",
        ),
        Setting(name="client_id", type="text", help="The name that we ask the introspection by."),
        Setting(
            name="client_secret_file", type="secret", file=True, secret=True, help="The file with the secret for it."
        ),
        Setting(
            name="pass_through",
            type="bool",
            default=False,
            help="Hand tokens to the store unread: the store decides.",
        ),
    ),
)
