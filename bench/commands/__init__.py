"""The command line: one file for each thing a person types. Each is thin; the work is done in the other rooms."""
