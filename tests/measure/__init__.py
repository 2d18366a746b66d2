"""Tests of `bench/measure`."""
