"""Tests of `bench/app`."""
