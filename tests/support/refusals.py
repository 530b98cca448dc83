"""The form of a refusal: one sentence that says what is needed and what came."""

import re

import pytest


def complaint(function):
    """The one sentence of a refusal."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        function()
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert message.endswith(".")
    assert "\n" not in message
    assert not re.search(r"[.!?]\s+[A-Z]", message), message
    assert re.search(r"\b(needs?|must be)\b", message), message
    assert re.search(r"\bgot\b|call ", message), message
    assert len(message) < 300
    return message
