"""
Run the suite on a Postgres in WebAssembly, in a Node.js process of its own, by py-pglite.

It does not isolate tests: it provides the server, for use with another strategy. It cannot run here, since all
strategies share one server, and this one answers only one connection at a time.

Use it when you cannot install Postgres and your tests need only one connection, for example with
`savepoint_rollback`.
Prior art: [py-pglite](https://github.com/wey-gu/py-pglite), [PGlite](https://github.com/electric-sql/pglite).
"""

from bench import Peer, Strategy

pytest_plugins = ["py_pglite.pytest_plugin"]

strategy = Strategy(
    core=False,
    peer=Peer(
        "py-pglite",
        unable="it starts its own server, which accepts one connection at a time.",
    ),
)
