"""Tests of `bench/probes`."""
