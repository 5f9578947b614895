"""The checks of ``buildr doctor``: whether scripts can run in containers here, and how to fix what is missing.

Each check is a function of what it examines: a `Host` (a root directory, an environment, a user) or an engine. It may
import `buildr.plan`, `buildr.engines` and everything below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.doctor import caching, cgroups, distribution, engines, rootless, storage
from buildr.doctor.model import Check, Findings, Host, Status, this_host
from buildr.engines import registry
from buildr.guest.detection import detect
from buildr.options.package import DEFAULT_VARIANT
from buildr.plan.project import BASE_IMAGE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Check", "Findings", "Host", "Status", "examine"]


def examine(
    *, flag: str | None = None, base_image: str | None = None, host: Host | None = None
) -> Findings:
    """Examine the engines and their requirements.

    Args:
        flag: the backend named on the command line.
        base_image: the base image to look for; by default that of a build.
        host: the machine; by default this one.

    Raises:
        OptionError: there is no backend of the chosen name, or the base image is not a reference.
    """
    host = host or this_host()
    with engines.probe(registry.choose(flag=flag)) as found:
        chosen = found.chosen
        return Findings(
            host=distribution.release(host).get("PRETTY_NAME", "an unknown system"),
            engine=chosen.info.backend if chosen is not None else None,
            checks=tuple(map(_shown, _checks(host, found, base_image))),
        )


def _shown(check: Check) -> Check:
    """Return a check without logins, which an engine's address may contain."""
    from msgspec import structs

    from buildr.host.confidential import without_logins

    return structs.replace(
        check,
        text=without_logins(check.text),
        fix=tuple(map(without_logins, check.fix)),
        advice=without_logins(check.advice),
    )


def _checks(host: Host, found: engines.Probe, base_image: str | None) -> Iterator[Check]:
    yield from engines.checks(host, found)
    chosen = found.chosen
    bad: Status = "fail"
    engine = None
    if chosen is not None:
        bad = "warn"
        engine = engines.ask(chosen)
    if chosen is None or not chosen.info.remote:
        yield from _of_machine(host, found, engine, bad)
    if engine is not None:
        yield from cgroups.runtime(host, engine)
        yield storage.check(host, engine)
        yield engines.base_image(engine, _base_image(host, base_image))
    yield from caching.checks()
    yield _detection(host)


def _of_machine(
    host: Host, found: engines.Probe, engine: engines.Engine | None, bad: Status
) -> Iterator[Check]:
    """Yield the checks of this machine for a local engine."""
    info = engine.backend.info if engine else None
    daemonless = [backend.info for backend in found.reached.values() if backend.info.daemonless]
    if host.uid != 0 and (info is None or daemonless or host.program(engines.RECOMMENDED)):
        yield from rootless.checks(
            host,
            bad=bad,
            user_ids=engine.details.user_ids if engine and engine.backend.info.daemonless else 0,
            network_program=daemonless[0].network_program if daemonless else "",
        )
    yield cgroups.check(
        host,
        rootless=info.rootless if info else host.uid != 0,
        engine_says=engine.details.cgroup_version if engine else "",
    )


def _base_image(host: Host, named: str | None) -> str:
    default = f"docker.io/library/python:3-{DEFAULT_VARIANT}"
    return named or host.environ.get(BASE_IMAGE_VARIABLE) or default


def _detection(host: Host) -> Check:
    """Check whether this counts as a container."""
    found = detect(host.root or "/", host.environ)
    warnings = "".join(f"; {warning}" for warning in found.warnings)
    if not found.inside:
        status: Status = "warn" if found.warnings else "ok"
        return Check(
            name="detection", status=status, text=f"no container: {found.reason}{warnings}"
        )
    return Check(
        name="detection",
        status="warn",
        text=f"this is a container, so scripts run right here: {found.reason}{warnings}",
        fix=() if found.explicit else ("export BUILDR_IN_CONTAINER=0",),
        advice="Unset that variable if this is not a container.",
    )
