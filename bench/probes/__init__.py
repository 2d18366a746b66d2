"""
The probe tests: each shows whether tests can see one behaviour of a real Postgres under a strategy.

`test_FAMILY.py` has one function per probe; `apart/` has the probes that need processes of their own. Names, families
and links are in `bench/strategy/probe_catalogue.py`. Under the strategy in `control.py` every probe must pass.
"""
