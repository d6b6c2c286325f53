"""Images, ELF files and servers that tests build in code. All of them are real, and as small as possible."""
