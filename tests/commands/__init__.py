"""Tests of `bench/commands`."""
