"""Signals and their effect on the guest."""

from __future__ import annotations

import pytest

from tests.engine.test_signals import (
    test_a_guest_receives_each_signal_and_decides_how_it_ends,
    test_a_guest_that_ignores_an_interrupt_is_killed_after_its_grace,
    test_a_second_interrupt_kills,
    test_an_interrupt_reaches_the_guest_and_the_run_ends_with_0,
    test_death_by_a_forwarded_signal_is_128_and_its_number,
    test_the_handlers_of_the_script_are_restored,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "test_a_guest_receives_each_signal_and_decides_how_it_ends",
    "test_a_guest_that_ignores_an_interrupt_is_killed_after_its_grace",
    "test_a_second_interrupt_kills",
    "test_an_interrupt_reaches_the_guest_and_the_run_ends_with_0",
    "test_death_by_a_forwarded_signal_is_128_and_its_number",
    "test_the_handlers_of_the_script_are_restored",
]
