"""What is typed, and what is read off what commands print."""

TINY = ["--model", "support.tiny:Tiny", "--epochs", "2", "--batch-size", "512"]


def table(lines):
    return [line for line in lines if line[:1] in set("┏┃┡│├└")]


def errors_of(lines):
    """The cells of the rows of test errors."""
    rows = [line for line in lines if line.startswith("│ test error ")]
    return [[cell.strip() for cell in row.strip("│").split("│")[1:]] for row in rows]


def assert_refused(found, *parts):
    """Exit status 2 and one line that says why, on the stream for errors."""
    status, out, err = found
    assert (status, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith("error: ")
    for part in parts:
        assert str(part) in err[0]
