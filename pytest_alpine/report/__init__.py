"""What a run found, as data and as lines, tables and files."""
