"""``minirootfs:BASE``: Alpine's own root filesystems, from a mirror or one tarball."""
