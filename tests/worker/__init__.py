"""Tests of `bench/worker`."""
