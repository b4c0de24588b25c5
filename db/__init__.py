"""All SQL, and every setting: config.db (configuration and replicated data) and node.db (this node's own).

Nothing here decides anything: rows in, rows out. Who may change what, and how, is appliance/cluster and above.
"""
