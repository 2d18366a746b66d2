"""From a plan to finished cells on disk: schedule, stopping rule, sweep, cells, probes, traces, progress."""
