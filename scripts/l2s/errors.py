"""The one exception for mistakes that a user can correct."""


class UserError(Exception):
    """Bad input, with a message that names the file, key or tensor and the remedy.

    Scripts print it as one line without a traceback and exit with status 1; the workflow stops before its first job.
    """
