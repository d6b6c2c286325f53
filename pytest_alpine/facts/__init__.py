"""What a root filesystem tells: release, C library, shells, programs, users."""
