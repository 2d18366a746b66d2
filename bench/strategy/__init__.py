"""The contract of a strategy: its declaration, the catalogue of probes, and how strategies are found and checked."""
