"""Bringing what has ended away from the streams: a bounded queue, and a greenlet that empties it in batches."""
