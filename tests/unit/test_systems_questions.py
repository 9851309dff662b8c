"""What a model answered, read: the JSON that was asked for, in a block of code or not."""

from __future__ import annotations

import pytest

from queues.systems.llm import ModelError
from queues.systems.questions import output


@pytest.mark.parametrize("answered", [
    '{"summary": "S."}', ' \n{"summary": "S."}\n', '```\n{"summary": "S."}\n```', '\n```json\n{"summary": "S."}```\n ',
])  # fmt: skip
def test_a_block_of_code_around_the_json_is_taken_away(answered):
    assert output("summarize", "Long.", answered)["summary"] == "S."


@pytest.mark.parametrize("answered", ["", "```", "``````", "```json```", "```js\n{}\n```", '```{"summary": "S."}'])
def test_what_is_no_json_is_refused(answered):
    with pytest.raises(ModelError):
        output("summarize", "Long.", answered)


def test_a_block_that_never_ends_is_refused_however_much_of_nothing_is_in_it():
    """A pattern that goes back at each blank would take an hour."""
    with pytest.raises(ModelError):
        output("summarize", "Long.", "```" + " \n" * 500_000 + "x")
