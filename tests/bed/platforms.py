"""One architecture, four names: Alpine's, OCI's, Debian's, and the one in musl's loader."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Arch:
    """An architecture of Alpine; ``debian`` is the corresponding port of Debian, empty if there is none."""

    apk: str
    oci: str
    debian: str
    loader: str
    variant: str = ""

    @property
    def platform(self) -> str:
        """The canonical OCI form; ``arm64/v8`` is plain ``arm64`` there."""
        variant = "" if self.oci == "arm64" else self.variant
        return "/".join(part for part in ("linux", self.oci, variant) if part)


ARCHES = {
    arch.apk: arch
    for arch in (
        Arch(apk="x86_64", oci="amd64", debian="amd64", loader="x86_64"),
        Arch(apk="x86", oci="386", debian="i386", loader="i386"),
        Arch(apk="aarch64", oci="arm64", variant="v8", debian="arm64", loader="aarch64"),
        # Debian has no such port: its armel is soft-float, with another loader.
        Arch(apk="armhf", oci="arm", variant="v6", debian="", loader="armhf"),
        Arch(apk="armv7", oci="arm", variant="v7", debian="armhf", loader="armhf"),
        Arch(apk="ppc64le", oci="ppc64le", debian="ppc64el", loader="powerpc64le"),
        Arch(apk="riscv64", oci="riscv64", debian="riscv64", loader="riscv64"),
        Arch(apk="s390x", oci="s390x", debian="s390x", loader="s390x"),
        Arch(apk="loongarch64", oci="loong64", debian="loong64", loader="loongarch64"),
    )
}
