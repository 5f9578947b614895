"""The two groups of options as dicts, for type checkers and editors: nothing imports this when a script runs.

The keys are the fields of `PackageOptions` and `RuntimeOptions`, and the names that Metaparticle had for some. ``None`` as a value means
that the option is not given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from buildr.options.files import PackageFile
    from buildr.options.health import HealthCheck
    from buildr.options.mounts import Mount
    from buildr.options.networks import Network
    from buildr.options.ports import Port
    from buildr.options.secrets import BuildSecret
    from buildr.options.tmpfs import Tmpfs
    from buildr.options.ulimits import Ulimit
    from buildr.options.wait_for import Condition

__all__ = ["PackageDict", "RuntimeDict"]


class _MetaparticlePackage(TypedDict, total=False):
    additionalFiles: Sequence[PackageFile | str | Mapping[str, Any]] | None


class PackageDict(_MetaparticlePackage, total=False):
    """`PackageOptions` as a dict."""

    repository: str | None
    name: str | None
    tag: str | None
    publish: bool | None
    py_version: str | int | None
    variant: str | None
    base_image: str | None
    pull: bool | None
    dockerfile: str | os.PathLike[str] | None
    dependencies_file: str | os.PathLike[str] | None
    dependencies: Sequence[str] | None
    extras: Sequence[str] | None
    groups: Sequence[str] | None
    member: str | None
    system_packages: Sequence[str] | None
    additional_files: Sequence[PackageFile | str | Mapping[str, Any]] | None
    context: str | os.PathLike[str] | None
    user: Literal["root"] | None
    builder: str | None
    verbose: bool | None
    quiet: bool | None
    include_secrets: bool | None
    secrets: Sequence[BuildSecret | str | Mapping[str, Any]] | None
    wheel_cache: bool | None


class _MetaparticleRuntime(TypedDict, total=False):
    publicAddress: bool | None
    shardSpec: Mapping[str, Any] | None
    jobSpec: Mapping[str, Any] | None


class RuntimeDict(_MetaparticleRuntime, total=False):
    """`RuntimeOptions` as a dict."""

    executor: str | None
    ports: Sequence[int | str | Port] | Mapping[Any, int | str | None] | None
    public: bool | None
    loopback_relay: bool | None
    env: Mapping[str, str | None] | Sequence[str] | None
    env_file: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
    mounts: Sequence[str | Mount | Mapping[str, Any]] | None
    tmpfs: Sequence[str | Tmpfs | Mapping[str, Any]] | None
    cache_home: bool | None
    outputs: str | Sequence[str] | None
    cpus: float | None
    memory: str | int | None
    shm_size: str | int | None
    pids_limit: int | None
    ulimits: Mapping[str, Any] | Sequence[str | Ulimit] | None
    devices: Sequence[str] | None
    gpus: str | int | Sequence[str | int] | None
    network: str | Network | Mapping[str, Any] | Sequence[str | Network | Mapping[str, Any]] | None
    name: str | None
    grace_seconds: float | None
    interrupt: Literal["host", "guest"] | None
    interrupt_status: int | None
    hardened: bool | None
    mount_source: bool | None
    debug: int | str | Port | None
    keep: bool | None
    detach: bool | None
    healthcheck: str | Sequence[str] | HealthCheck | Mapping[str, Any] | None
    restart: str | None
    wait_for: str | Sequence[str | Condition] | None
    wait_seconds: float | None
    call_timeout: float | None
    call_limit: str | int | None
    call_format: Literal["json", "pickle"] | None
    call_fresh: bool | None
    call_keep_seconds: float | None
    replicas: int | None
    shard_spec: Mapping[str, Any] | None
    job_spec: Mapping[str, Any] | None
