"""The command line: one thin file per command; the other rooms do the work."""
