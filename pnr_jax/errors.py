"""The one exception that speaks to the user, and what others say in one line."""


class UserError(Exception):
    """A mistake in the input: one line that says what, where and how to mend it.

    Programs in ``launch/`` print the line and exit with code 2; a traceback would only hide it.
    """


def first_line(error: BaseException) -> str:
    r"""Returns an exception's first line, at most 200 characters of it.

    >>> first_line(ValueError("no\nsuch file")), first_line(MemoryError())
    ('no', 'MemoryError')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
