"""A script behaves in a container as it does without one."""

from __future__ import annotations

import pytest

from tests.engine.test_script_mode import (
    test_a_closed_output_loses_only_its_own_text,
    test_a_guest_ends_with_any_standard_input,
    test_a_reader_that_leaves_ends_the_guest,
    test_an_output_error_is_reported,
    test_arguments_arrive_as_they_were_given,
    test_input_reaches_the_guest_and_both_outputs_come_back_separate_and_exact,
    test_status_and_output_are_the_same_as_without_buildr,
    test_ten_mebibytes_without_a_line_end_arrive_unchanged,
    test_the_order_within_each_stream_is_kept,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "test_a_closed_output_loses_only_its_own_text",
    "test_a_guest_ends_with_any_standard_input",
    "test_a_reader_that_leaves_ends_the_guest",
    "test_an_output_error_is_reported",
    "test_arguments_arrive_as_they_were_given",
    "test_input_reaches_the_guest_and_both_outputs_come_back_separate_and_exact",
    "test_status_and_output_are_the_same_as_without_buildr",
    "test_ten_mebibytes_without_a_line_end_arrive_unchanged",
    "test_the_order_within_each_stream_is_kept",
]
