"""ELF files, and the libraries that musl's loader finds for them."""
