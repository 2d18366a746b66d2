"""Tests of `bench/calibration`."""
