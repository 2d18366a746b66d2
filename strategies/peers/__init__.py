"""One file per published package that isolates tests; each adapts its package as a strategy."""
