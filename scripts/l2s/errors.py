"""The one exception for mistakes that a user can correct, and what is shown of those that libraries raise."""


class UserError(Exception):
    """Bad input, with a message that names the file, key or tensor and the remedy.

    Scripts print it as one line without a traceback and exit with status 1; the workflow stops before its first job.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of what a library says went wrong; the kind of error if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
