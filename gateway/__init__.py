"""slowgate: the streaming gateway for slow upstream APIs.

This file imports nothing: the server must be able to patch the standard library before any other module of ours
is loaded.
"""

__version__ = "0.1.0"
