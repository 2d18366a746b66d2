"""The contract of a strategy: what it declares, the probes it may name, and how strategies are found and checked."""
