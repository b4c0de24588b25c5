"""The sessions role: a single-threaded parent that forks one worker per core, and the composition of a worker.

Only here do the wire, the protocols and the routing meet; none of them knows the others' insides.
"""

import os
from pathlib import Path

# OpenSSL reads it once, when ssl is imported: this comes first.
os.environ.setdefault("OPENSSL_CONF", str(Path(__file__).parents[1] / "edge" / "openssl.cnf"))
