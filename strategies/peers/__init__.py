"""One file per published package that isolates tests: an adapter to the contract of a strategy."""
