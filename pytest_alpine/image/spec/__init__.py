"""The OCI image specification's documents: configuration, manifests, digests."""
