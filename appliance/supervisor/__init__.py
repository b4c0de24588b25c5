"""The supervisor: opens the listening sockets, starts and restarts the roles, drains them; nothing else.

It reads the configuration for addresses only, accepts no connection, parses nothing a stranger sends.
"""
