"""The scripts of ``docs/tutorial.md`` are the examples, and what it says they print is what their tests expect."""

from __future__ import annotations

import re

import pytest

from tests.samples import ROOT, Sample, samples

SAMPLES = samples(ROOT / "docs" / "tutorial.md")
FILES = [sample for sample in SAMPLES if sample.mark == "file"]
TESTS = (ROOT / "tests" / "engine" / "test_examples.py").read_text()


@pytest.mark.parametrize("sample", FILES, ids=lambda sample: sample.said)
def test_a_script_of_the_page_is_the_example(sample: Sample) -> None:
    assert sample.text == (ROOT / "examples" / sample.said).read_text()


def test_the_output_on_the_page_is_what_the_example_tests_expect() -> None:
    shown = [
        line
        for sample in SAMPLES
        if sample.mark == "run by"
        for line in sample.text.splitlines()
        if not line.startswith(("$ ", "buildr: "))
    ]
    assert len(shown) > 5
    for line in shown:
        # The container's name, the version of Python and the arguments differ.
        reported = re.sub(r"^(hello) .*, from .*|^Python .*, (uid 1000, in /app)$", r"\1\2", line)
        assert reported in TESTS, line


def test_every_expected_output_is_on_the_page() -> None:
    run = {
        word
        for sample in SAMPLES
        if sample.language == "console"
        for word in re.findall(r"\b\w+\.py\b", sample.text)
    }
    assert run <= {sample.said for sample in FILES}
