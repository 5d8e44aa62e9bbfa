"""Counts of tokens are taken as the upstream says them, and only then."""

import pytest

from gateway.exchange.marks import Marks, Usage
from gateway.formats.tokens import note_usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"input_tokens": 1, "output_tokens": 0}, Usage(1, 0, None)),
        ({"total_tokens": 9, "prompt_tokens": None}, Usage(None, None, 9)),
        ({"prompt_tokens": True, "output_tokens": -1, "total_tokens": "3"}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_usage_is_read_by_either_pair_of_names(told: object, usage: Usage | None) -> None:
    """What is no count is not taken for one."""
    marks = Marks("openai")
    assert note_usage(marks, told) is (usage is not None)
    assert marks.usage == usage


def test_later_count_replaces_the_one_before_and_what_is_not_said_again_stays() -> None:
    """Counts are of the whole answer so far, and come bit by bit."""
    marks = Marks("anthropic")
    note_usage(marks, {"input_tokens": 25, "output_tokens": 1})
    note_usage(marks, {"output_tokens": 15})
    assert marks.usage == Usage(25, 15, None)
