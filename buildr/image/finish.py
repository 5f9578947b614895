"""The last step of `buildr build` and `buildr push`: makes an image reproducible, and adds labels about its origin.

A build stores the current time in many places, and each engine writes layers in its own form. Here the image is read as the engine
saves it, the layers above the base are rewritten (`buildr.archive.normal`), and the engine loads the result. Runs skip this step,
since it does not change the files.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.archive.layers import above, read_layer
from buildr.archive.normal import Times, changes, left_behind, write
from buildr.archive.reader import ArchiveError
from buildr.archive.saved import CONFIGURATION_KEYS, put_together, take_apart
from buildr.archive.tar import Member, pack
from buildr.engines.records import BuildRequest, Event
from buildr.errors import EngineError, ImageNotFoundError
from buildr.host import temporary
from buildr.host.guard import Guard
from buildr.image.stamp import base_of, rfc3339, stamp_of
from buildr.plan.source_date import times
from buildr.plan.staging import CONTAINERFILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.archive.layers import Layer, Tree
    from buildr.archive.saved import Saved
    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.records import Image
    from buildr.image.inputs import Made
    from buildr.image.stamp import Stamp
    from buildr.plan.project import Project

__all__ = ["finish"]

# How histories of the classic builder, Buildah, BuildKit and Buildr name a step that copies files.
_COPIES = re.compile(r"(?:/bin/sh -c #\(nop\) +)?(?:COPY|ADD)\b")
_FOLDER = re.compile(r"(?:/bin/sh -c #\(nop\) +)?WORKDIR\b")
_DIGEST = re.compile(r"\b(file|dir|multi):[0-9a-f]{64}\b")
_PLATFORM = ("architecture", "os", "os.version", "variant", "author")


def finish(
    backend: Images, project: Project, made: Made, say: Callable[[str], None], progress: Progress
) -> str:
    """Return the id of the finished image; one that is already finished is unchanged.

    Args:
        backend: the engine.
        project: what the image was built of.
        made: the image.
        say: called with the reason if the layers cannot be rewritten.
        progress: receives the events.

    Raises:
        BuildError: ``SOURCE_DATE_EPOCH`` is not a number, or the engine refuses.
        ImageNotFoundError: the image has vanished.
    """
    stored = backend.image(made.image)
    if stored is None:
        raise ImageNotFoundError(
            f"the image {made.image} vanished after its build",
            hint="It was removed just now; build again.",
        )
    normalised = backend.appends()
    stamp = stamp_of(backend, project, stored, made.bases, normalised=normalised)
    if stamp.labels == stored.labels:
        return stored.id
    if normalised:
        progress(Event(kind="log", text="making the image reproducible"))
        try:
            return _normalise(backend, stored, base_of(stored, made.bases), stamp, made.name)
        except (ArchiveError, EngineError, OSError) as error:
            why = f"{error.what}: {error.message}" if isinstance(error, EngineError) else error
            say(f"the image is not reproducible, because its layers could not be rewritten: {why}")
            stamp = stamp_of(backend, project, stored, made.bases, normalised=False)
    return _with_labels(backend, stored, stamp, progress, made.name)


def _with_labels(backend: Images, image: Image, stamp: Stamp, progress: Progress, name: str) -> str:
    """Only change the labels; return the id of the new image."""
    labels = {
        **{label: "" for label in image.labels if label not in stamp.labels},
        **{label: text for label, text in stamp.labels.items() if image.labels.get(label) != text},
    }
    text = Member(path=CONTAINERFILE, data=f"FROM {image.id}\n".encode())
    request = BuildRequest(
        context=pack([text]), containerfile=CONTAINERFILE, labels=labels, tags=(name,)
    )
    return backend.build(request, progress)


def _normalise(backend: Images, image: Image, base: Image | None, stamp: Stamp, name: str) -> str:
    # The files may be large, so a guard removes them immediately if this process is killed.
    with temporary.folder(large=True) as folder, Guard(temporary.__name__, folder):
        saved = take_apart(backend.save(image.id), folder)
        below = len(base.diff_ids) if base else 0
        if saved.digests != image.diff_ids:
            raise ArchiveError("the archive contains other layers than the engine reports")
        steps = _Steps.read(saved)
        layers = _rewrite(saved, below, steps, folder)
        configuration = _configuration(saved, below, steps, layers, stamp)
        files = [layer.path for layer in layers if layer.path]
        return backend.load(put_together(configuration, name, below, files), name).id


class _Steps(Struct, frozen=True):
    """The steps of an image's history."""

    rows: list[dict[str, Any]]
    layers: list[str]
    """The instruction that created each layer."""

    @classmethod
    def read(cls, saved: Saved) -> _Steps:
        """Read them.

        Raises:
            ArchiveError: they do not match the layers.
        """
        rows = saved.configuration.get("history") or []
        layers = [row.get("created_by") or "" for row in rows if not row.get("empty_layer")]
        if len(layers) != len(saved.digests):
            raise ArchiveError("the history of the image does not match its layers")
        return cls(rows, layers)


class _Rewritten(Struct, frozen=True):
    """A rewritten layer; empty if it changes nothing, and then omitted."""

    path: str = ""
    digest: str = ""


def _rewrite(saved: Saved, below: int, steps: _Steps, folder: str) -> list[_Rewritten]:
    """Rewrite the layers above the base."""
    tree: Tree = {}
    for path in saved.layers[:below]:
        tree = above(tree, read_layer(path))
    latest, of_folders = times()
    given = Times(latest=latest, folder=of_folders, kept=frozenset(saved.layers[:below]))
    found = []
    pending: Layer | None = None
    for number, path in enumerate(saved.layers[below:]):
        step = steps.layers[below + number]
        layer = read_layer(path)
        # Copied files are never leftovers.
        if not _COPIES.match(step):
            layer = layer.without(left_behind(layer))
        if pending is not None:
            layer = layer.on(pending)
        # Docker creates a layer for WORKDIR; with Podman the folder is part of the next layer.
        if _FOLDER.match(step) and not layer.hides and number + 1 < len(saved.layers) - below:
            pending = layer
            found.append(_Rewritten())
            continue
        pending = None
        now = above(tree, layer)
        if content := changes(tree, layer, now):
            output = f"{folder}/normal-{number}"
            with open(output, "wb") as file:
                digest = write(file, content, now, given)
            found.append(_Rewritten(output, digest))
        else:
            found.append(_Rewritten())
        tree = now
    return found


def _configuration(
    saved: Saved, below: int, steps: _Steps, layers: list[_Rewritten], stamp: Stamp
) -> bytes:
    """Return the configuration of the new image, as JSON."""
    made = {"created": rfc3339(stamp.created), "comment": "buildr"}
    history: list[dict[str, Any]] = []
    at = 0
    for row in steps.rows:
        rewritten = None if row.get("empty_layer") else layers[at - below] if at >= below else None
        if at < below:
            history.append(row)
        else:
            step = _DIGEST.sub(r"\1", row.get("created_by") or "")
            empty = {} if rewritten and rewritten.path else {"empty_layer": True}
            history.append({**made, "created_by": step, **empty})
        at += not row.get("empty_layer")
    settings = saved.configuration.get("config") or {}
    described = {
        **{key: value for key in _PLATFORM if (value := saved.configuration.get(key))},
        "created": made["created"],
        "config": {
            **{key: value for key in CONFIGURATION_KEYS if (value := settings.get(key))},
            "Labels": dict(stamp.labels),
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [
                *saved.digests[:below],
                *(layer.digest for layer in layers if layer.path),
            ],
        },
        "history": history,
    }
    return json.dumps(described, sort_keys=True).encode()
