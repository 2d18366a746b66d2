"""
The floor once more, under another name: what differs between the two is noise.

It runs in every comparison and is shown in none; see the A/A check in docs/internals/method.md.

Do not use it: it is the harness's own. The floor is none.
Prior art: [A/A testing](https://www.dynamicyield.com/glossary/aa-testing/).
"""

from strategies.none import db_engine, session_factory, strategy

__all__ = ["db_engine", "session_factory", "strategy"]
