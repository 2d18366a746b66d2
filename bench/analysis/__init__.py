"""From a run's records to findings: costs, ties, noise, traps, fidelity, scaling, conditions, comparisons, loops."""
