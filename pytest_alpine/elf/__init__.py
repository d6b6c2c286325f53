"""ELF files, and where musl's loader finds their libraries."""
