"""The volume that keeps what scripts of a project download to their home directory: ``cache_home``.

matplotlib, Hugging Face, NLTK and many others keep downloads below HOME, which goes with the container otherwise.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines.container_spec import MountSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.records import Volume
    from buildr.engines.volumes import Volumes

_DIGITS = 16  # of the digest in a volume's name


def home_mount(backend: Volumes, folder: str, home: str) -> MountSpec:
    """Return the mount of a project's volume, which is made if it is not there.

    Args:
        backend: the engine.
        folder: the absolute path of the project, whose scripts share the volume.
        home: the guest's home directory.

    Raises:
        EngineError: the engine has no volumes, or refuses.
    """
    project = hashlib.sha256(os.fsencode(folder)).hexdigest()[:_DIGITS]
    name = f"buildr-home-{os.getuid()}-{project}"
    backend.make_volume(name, {**_labels(), labels.HOME_CACHE: project})
    return MountSpec(kind="volume", source=name, target=home)


def home_volumes(backend: Volumes) -> Sequence[Volume]:
    """Return this user's volumes of that kind on an engine, with their sizes.

    Raises:
        BackendError: the engine cannot list its volumes.
    """
    return backend.volumes(_labels(), sizes=True)


def _labels() -> dict[str, str]:
    return {labels.HOME_CACHE: "", labels.UID: str(os.getuid())}
