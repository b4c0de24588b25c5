"""What nodes agree on: every change is an entry of a log; every node applies the same entries in the same order.

A single node keeps the log in a table of its own database; a cluster keeps it elsewhere. Entries and applier are
the same. Must never decide whether a change is wise: that is the commands' part.
"""
