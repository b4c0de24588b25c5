"""The console's SSH server, a role of its own: who an administrator is, it asks the controller; what one may, too.

It holds the host key and no other right. Each session is one child process, which speaks to the controller on a
connection that is that administrator's. Nothing is forwarded (RFC 4254, 7), nothing is read from OpenSSH's files.
"""
