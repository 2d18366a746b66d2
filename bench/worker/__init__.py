"""The pytest plugins that run inside a measured process: fixtures, recorder, tracer."""
