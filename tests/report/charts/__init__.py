"""Tests of `bench/report/charts`."""
