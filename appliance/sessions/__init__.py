"""The sessions role: a single-threaded parent that forks one worker per core, and the composition of a worker.

Only here do the wire, the protocols and the routing meet; none of them knows the others' insides.
"""
