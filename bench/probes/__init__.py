"""
The probe tests: each one shows whether a behaviour of a real Postgres survives under a strategy.

`test_FAMILY.py` has one function per probe; `apart/` has those that need processes of their own. Their names, families
and links are in `bench/strategy/probe_catalogue.py`. `control.py` is the strategy under which every probe must pass.
"""
