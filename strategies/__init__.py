"""One file per strategy; each new file here takes part in the comparison."""
