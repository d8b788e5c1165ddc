"""The one exception for mistakes that a user can correct, and what is shown of those that libraries raise."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]+")
"""Line breaks, what terminals take for commands, and what turns the direction of a text."""


class UserError(Exception):
    """Bad input, with a message that names the file, key or tensor and the remedy.

    Scripts print it as one line without a traceback and exit with status 1; the workflow stops before its first job.
    What a file from outside says may be part of it: control characters are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        shown = CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), message)
        super().__init__(shown.encode("utf-8", "backslashreplace").decode())


def first_line(error: BaseException) -> str:
    """Return the first line of what a library says went wrong; the kind of error if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
