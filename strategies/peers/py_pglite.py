"""
A Postgres in WebAssembly, in a Node.js process of the suite's own, by py-pglite.

It isolates no tests: it makes the server, and is to be combined with a strategy. It cannot run here: the server is what
all strategies have in common, and this one answers one connection at a time.

Use it when no Postgres can be installed and your tests need one connection; with `savepoint_rollback`, say.
Prior art: [py-pglite](https://github.com/wey-gu/py-pglite), [PGlite](https://github.com/electric-sql/pglite).
"""

from bench import Peer, Strategy

pytest_plugins = ["py_pglite.pytest_plugin"]

strategy = Strategy(
    core=False,
    peer=Peer(
        "py-pglite",
        unable="it is a server of its own, which answers one connection at a time, and strategies share theirs.",
    ),
)
