"""One more command in the container of a run."""

from __future__ import annotations

import pytest

from tests.engine.test_exec import (
    site,
    test_a_signal_reaches_the_command_alone,
    test_on_a_terminal_it_has_one_and_control_c_is_a_key,
    test_streams_and_status_are_the_commands_own,
    test_what_cannot_be_started_is_reported_and_is_not_output,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "site",
    "test_a_signal_reaches_the_command_alone",
    "test_on_a_terminal_it_has_one_and_control_c_is_a_key",
    "test_streams_and_status_are_the_commands_own",
    "test_what_cannot_be_started_is_reported_and_is_not_output",
]
