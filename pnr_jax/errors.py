"""The one exception that speaks to the user."""


class UserError(Exception):
    """A mistake in the input: one line that says what, where and how to mend it.

    Programs in ``launch/`` print the line and exit with code 2; a traceback would only hide it.
    """
