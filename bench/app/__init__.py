"""
The application under test: a small, typical FastAPI + SQLAlchemy 2 + asyncpg service.

It contains nothing for tests. Any change here changes the workload's fingerprint, so older runs are not compared with
newer ones.
"""

TABLES = 5
"""Number of the application's own tables."""
