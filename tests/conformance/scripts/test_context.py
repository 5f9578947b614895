"""Files of the context arrive unchanged."""

from __future__ import annotations

import pytest

from tests.engine.test_context import (
    project,
    test_links_travel_and_special_files_are_left_out_with_a_message,
    test_names_are_bytes_and_arrive_as_they_are,
)

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

__all__ = [
    "project",
    "test_links_travel_and_special_files_are_left_out_with_a_message",
    "test_names_are_bytes_and_arrive_as_they_are",
]
