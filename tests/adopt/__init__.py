"""Tests of `bench/adopt`."""
