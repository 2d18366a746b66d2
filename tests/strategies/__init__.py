"""Tests of the strategies and of the adapters of peers."""
