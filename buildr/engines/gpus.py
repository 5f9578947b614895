"""GPUs for engines that only support names of the Container Device Interface."""

from __future__ import annotations


def cdi_names(gpus: int | tuple[str, ...] | None) -> list[str]:
    """Return the names of GPUs in NVIDIA's specification for the Container Device Interface.

    Args:
        gpus: as `buildr.engines.container_spec.ContainerSpec.gpus`: a number, -1 for all; or a list; ``None``: none.
    """
    if gpus is None:
        return []
    if gpus == -1:
        return ["nvidia.com/gpu=all"]
    names = map(str, range(gpus)) if isinstance(gpus, int) else gpus
    return [f"nvidia.com/gpu={name}" for name in names]
