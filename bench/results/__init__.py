"""
The files of a run: their records, and the code that reads and writes them.

This is the lowest layer: it imports no other part of the project. Measuring writes these records, and analysis reads
them. What every layer needs (paths, errors, printable text, version) is here too.
"""
