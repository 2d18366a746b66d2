"""
The application under test: a small FastAPI + SQLAlchemy 2 + asyncpg service, as teams really write it.

It knows nothing of tests. A change here changes the workload's fingerprint, so that older runs are no longer compared.
"""

TABLES = 5
"""Tables of the application's own."""
