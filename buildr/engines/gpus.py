"""GPUs, for engines that know them by names of the Container Device Interface alone."""

from __future__ import annotations


def cdi_names(gpus: int | tuple[str, ...] | None) -> list[str]:
    """Return the names that NVIDIA's specification for the Container Device Interface gives to GPUs.

    Args:
        gpus: as `buildr.engines.container_spec.ContainerSpec.gpus`: how many, -1 for all; or which; ``None``: none.
    """
    if gpus is None:
        return []
    if gpus == -1:
        return ["nvidia.com/gpu=all"]
    names = map(str, range(gpus)) if isinstance(gpus, int) else gpus
    return [f"nvidia.com/gpu={name}" for name in names]
