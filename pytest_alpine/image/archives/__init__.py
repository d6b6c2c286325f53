"""``oci:``, ``oci-archive:`` and ``docker-archive:``: images in folders and archives."""
