"""A run of a script on a fake engine, from its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.config import Settings
from buildr.host.signals import Signals
from buildr.options import package_options, runtime_options
from buildr.runners.plan import RunPlan, plan_run
from buildr.runners.registry import runner

if TYPE_CHECKING:
    from buildr.plan.entry import Entry


def planned_run(
    entry: Entry,
    package: dict[str, Any] | None = None,
    runtime: dict[str, Any] | None = None,
    **flags: str | None,
) -> RunPlan:
    """Plan a run with these options alone."""
    settings = Settings(
        package=package_options(package), runtime=runtime_options(runtime), origins={}
    )
    return plan_run(entry, settings, **flags)  # type: ignore[arg-type] # mypy sees `command` among the flags


def run_entry(
    entry: Entry,
    package: dict[str, Any] | None = None,
    runtime: dict[str, Any] | None = None,
    **flags: str | None,
) -> int:
    """Run a program with these options alone; return its exit status."""
    plan = planned_run(entry, package, runtime, **flags)
    return runner(plan.choices.runner).run(plan, Signals())
