"""
Run the floor again under another name: any difference between the two is noise.

It is part of every comparison and shown in none. See the A/A check in docs/internals/method.md.

Do not use it: it only serves the harness. The floor itself is none.
Prior art: [A/A testing](https://www.dynamicyield.com/glossary/aa-testing/).
"""

from strategies.none import db_engine, session_factory, strategy

__all__ = ["db_engine", "session_factory", "strategy"]
