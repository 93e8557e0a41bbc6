"""The one exception that is shown to a user as a line, without a traceback."""


class EvmlxError(Exception):
    """Something outside evmlx's own code is wrong.

    The message is one line: what is wrong, where (file and line, field, layer, text id), and
    what to do about it.
    """
