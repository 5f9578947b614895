"""Detects whether this process runs inside a container, and of which engine.

The answer is a function of a root directory and an environment, so that recordings can be replayed. Files are
opened read-only, nothing is started, and no content makes it raise.

A variable (``BUILDR_IN_CONTAINER``, ``METAPARTICLE_IN_CONTAINER``) decides; every image of ours sets both. Without one,
`buildr.guest.evidence` does.
"""

from __future__ import annotations

import os

# As in all of the guest part: importing typing would cost more than the rest; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Detection", "detect", "is_in_docker_container"]

_VARIABLES = ("BUILDR_IN_CONTAINER", "METAPARTICLE_IN_CONTAINER")
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}

# The least specific answers; anything not listed here is the name of an engine.
_VAGUENESS = {"kubernetes": 1, "crun": 2, "runc": 2, "": 3}


class Detection:
    """The result of the detection; a plain immutable record.

    Attributes:
        inside: Whether this process is in a container.
        engine: Whose container: ``"docker"``, ``"podman"``, ``"buildah"``, ``"buildkit"``, ``"containerd"``,
            ``"cri-o"``, ``"lxc"``, ``"systemd-nspawn"``, ``"apptainer"``; ``"kubernetes"`` where the runtime is not
            known, ``"runc"`` or ``"crun"`` without an engine; None when not inside, or not known.
        reason: The evidence, as a part of a sentence.
        explicit: Whether a variable said so, rather than evidence.
        warnings: Sentences for the user, about variables that were ignored.
    """

    __slots__ = ("engine", "explicit", "inside", "reason", "warnings")

    inside: bool
    engine: str | None
    reason: str
    explicit: bool
    warnings: tuple[str, ...]

    def __init__(
        self,
        *,
        inside: bool,
        engine: str | None,
        reason: str,
        explicit: bool = False,
        warnings: tuple[str, ...] = (),
    ) -> None:
        write = super().__setattr__
        write("inside", inside)
        write("engine", engine)
        write("reason", reason)
        write("explicit", explicit)
        write("warnings", warnings)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Detection does not change: cannot set {name!r}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Detection) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return (
            f"Detection(inside={self.inside!r}, engine={self.engine!r}, reason={self.reason!r}, "
            f"explicit={self.explicit!r}, warnings={self.warnings!r})"
        )


def detect(
    root: str | os.PathLike[str] = "/", environ: Mapping[str, str] | None = None
) -> Detection:
    """Detect whether this process runs in a container.

    Args:
        root: The directory under which ``/proc``, ``/run`` and the rest are looked for.
        environ: The environment of the process; that of this process when None.

    Returns:
        The verdict with its evidence. Nothing is raised: what cannot be read is not evidence.
    """
    if environ is None:
        environ = os.environ
    verdict = None
    warnings: tuple[str, ...] = ()
    for name in _VARIABLES:
        value = environ.get(name)
        if value is None:
            continue
        switch = _SWITCHES.get(value.strip().lower())
        if switch is None:
            shown = ascii(value[:40])
            warnings += (f"{name} is {shown}, which is neither true, 1, false nor 0: ignored",)
        elif verdict is None:
            verdict = (switch, f"{name}={value.strip()}")
    if verdict is not None:
        inside, reason = verdict
        return Detection(
            inside=inside, engine=None, reason=reason, explicit=True, warnings=warnings
        )
    from buildr.guest.evidence import evidence, left_over  # an image of ours has decided above

    base = os.fsdecode(root).rstrip("/")
    found = list(evidence(base, environ))
    if found:
        engine, reason = min(found, key=lambda each: _VAGUENESS.get(each[0], 0))
        return Detection(inside=True, engine=engine or None, reason=reason, warnings=warnings)
    reason = "neither cgroups, mounts nor environment are those of a container"
    if markers := left_over(base):
        reason += f" ({' and '.join(markers)} alone may be left over)"
    return Detection(inside=False, engine=None, reason=reason, warnings=warnings)


def is_in_docker_container() -> bool:
    """Whether this process is in a container, of any engine; Metaparticle's name for :func:`detect`."""
    return detect().inside
