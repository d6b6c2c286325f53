"""Facts that are read from the files of a root filesystem: release, C library, shells, programs, users."""
