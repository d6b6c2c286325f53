"""What tests build in code: images, ELF files. Real bytes, as small as they can be."""
