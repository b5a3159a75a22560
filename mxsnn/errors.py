"""The one exception that a command line shows as a single line."""


class UserError(ValueError):
    """A mistake in what the user gave: a file, a folder, an option.

    Its message is one line that says what is wrong, what was got and what to do. Command lines print it to stderr and exit with 2.
    """
