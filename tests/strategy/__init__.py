"""Tests of `bench/strategy`."""
