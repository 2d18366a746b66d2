"""Tests of `bench/analysis`."""
