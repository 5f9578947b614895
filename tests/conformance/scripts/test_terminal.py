"""Runs on a terminal."""

from __future__ import annotations

import pytest

from tests.engine.test_terminal import (
    test_control_c_cancels,
    test_control_c_is_passed_to_the_guest_if_the_option_says_so,
    test_the_guest_has_the_hosts_terminal_its_size_and_its_keys,
    test_with_one_redirected_stream_all_three_stay_separate,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "test_control_c_cancels",
    "test_control_c_is_passed_to_the_guest_if_the_option_says_so",
    "test_the_guest_has_the_hosts_terminal_its_size_and_its_keys",
    "test_with_one_redirected_stream_all_three_stay_separate",
]
