"""Layers as their source holds them: bytes, compression, digests."""
