"""A runner that is not part of Buildr: it prints what it was asked to run, and writes that down as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from buildr.runners.protocol import Manifest

if TYPE_CHECKING:
    from buildr.host.signals import Signals
    from buildr.runners.plan import RunPlan


def run(plan: RunPlan, signals: Signals) -> int:
    """Run a plan."""
    assert not signals.asked_to_end
    sys.stdout.write(json.dumps(_document(plan)))
    return 7


def render(plan: RunPlan, name: str) -> Manifest:
    """Write a plan down."""
    assert plan.project is not None
    return Manifest(
        files={f"{name}.json": json.dumps(_document(plan))}, image=plan.project.reference
    )


def _document(plan: RunPlan) -> dict[str, object]:
    assert plan.project is not None
    assert plan.entry is not None
    return {
        "image": plan.project.reference,
        "command": [*plan.project.placement.command, *plan.entry.arguments],
        "ports": [port.container for port in plan.runtime.ports],
        "builder": plan.choices.builder.name,
    }
