"""What the store holds, and what was removed from it: as data and as lines."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_alpine.durations import format_duration
from pytest_alpine.quoting import visible
from pytest_alpine.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_alpine.engine.docker.loaded import RemovedImages
    from pytest_alpine.errors import AlpineError
    from pytest_alpine.image.store.contents import Contents, StoredImage
    from pytest_alpine.image.store.prune import Pruned


def cache_data(contents: Contents) -> dict[str, Any]:
    """Return what the store holds, the image that was used last first."""
    return {
        "folder": str(contents.root),
        "size": contents.size,
        "images": [
            {**_image_data(image), "alone": contents.alone(image), "in_use": image.record.is_used()}
            for image in reversed(contents.images)
        ],
        "unneeded": sum(item.size for item in contents.unneeded),
    }


def cache_lines(data: dict[str, Any]) -> Iterator[str]:
    """Yield what ``cache_data`` returned, for people."""
    yield visible(f"{data['folder']} holds {format_size(data['size'])}")
    if not data["size"]:
        return
    rows = [(image["size"], image["alone"], _last_use(image), _name(image)) for image in data["images"]]
    width = max(len("last use"), *(len(row[2]) for row in rows)) if rows else 0
    if rows:
        yield f"  {'size':>9}  {'alone':>9}  {'last use':<{width}}  image"
    for size, alone, last_use, name in rows:
        yield visible(f"  {format_size(size):>9}  {format_size(alone):>9}  {last_use:<{width}}  {name}")
    if data["unneeded"]:
        yield f"  {format_size(data['unneeded']):>9}  needed by no image"


def pruned_data(
    folder: Path, pruned: Pruned, engines: Mapping[str, RemovedImages | AlpineError | None]
) -> dict[str, Any]:
    """Return what was removed from the store in *folder* and from *engines*, and what could not be."""
    failed = {name: str(found) for name, found in engines.items() if isinstance(found, Exception)}
    answered = {name: found for name, found in engines.items() if found is not None and name not in failed}
    return {
        "folder": str(folder),
        "removed": pruned.size,
        "left": pruned.left,
        "images": [_image_data(image) for image in pruned.images],
        "engines": {
            name: {"removed": list(found.removed), "kept": list(found.kept)}
            for name, found in answered.items()
            if not isinstance(found, Exception)
        },
        "problems": [*pruned.problems, *failed.values()],
    }


def pruned_lines(data: dict[str, Any]) -> Iterator[str]:
    """Yield what ``pruned_data`` returned, for people; problems are left out."""
    removed = format_size(data["removed"]) if data["removed"] else "nothing"
    yield visible(f"removed {removed} from {data['folder']}, which holds {format_size(data['left'])} now")
    for image in data["images"]:
        yield visible(f"  {_name(image)}, last use {_ago(image)}")
    for name, found in data["engines"].items():
        count = len(found["removed"])
        kept = f", kept {len(found['kept'])} in use" if found["kept"] else ""
        yield f"removed {count or 'no'} image{'s' * (count != 1)} from {name}{kept}"


def _image_data(image: StoredImage) -> dict[str, Any]:
    name = image.record.name
    return {
        "reference": name.reference,
        "platform": name.platform,
        "id": name.id,
        "size": image.size,
        "last_use": datetime.fromtimestamp(int(image.record.last_use), UTC).isoformat(),
        "replaced": image.is_replaced,
    }


def _name(image: dict[str, Any]) -> str:
    replaced = ", replaced by a newer one" if image["replaced"] else ""
    return f"{image['reference']} ({image['platform']}, {image['id'][:19]}){replaced}"


def _last_use(image: dict[str, Any]) -> str:
    return "now" if image["in_use"] else _ago(image)


def _ago(image: dict[str, Any]) -> str:
    return f"{format_duration(time.time() - datetime.fromisoformat(image['last_use']).timestamp())} ago"
