"""The one exception that a command line shows as a single line, and the one warning about what a file holds."""


class UserError(ValueError):
    """A mistake in what the user gave: a file, a folder, an option.

    Its message is one line that says what is wrong, what was got and what to do. Command lines print it to stderr and exit with 2.
    """


class RecordingWarning(UserWarning):
    """What is odd in a recording that was read nevertheless: cut short, words of no known kind, events left out."""


class CutShortWarning(RecordingWarning):
    """A recording ends in the middle of something: what came before was read. Data sets do not take such files."""
