"""The results of a run, as data, lines, tables and files."""
