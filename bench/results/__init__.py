"""
What a run leaves on disk: the records, their files, and what reads and writes them.

The lowest layer: it imports nothing else of the project. Measuring writes these records, analysis reads them, and the
few things that every layer needs (paths, errors, printable text, version) are here too.
"""
