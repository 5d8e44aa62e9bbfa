"""What one worker says of itself."""

from collections.abc import Callable


class Status:
    """Whether it drains, how many streams run, and how it stands with the configuration."""

    def __init__(self, draining: Callable[[], bool], streams: Callable[[], int]) -> None:
        self.draining = draining
        self.streams = streams
        self.configurations = 1
        """How many configurations were offered to this worker, the one at its start included."""
        self.rejected: str | None = None
        """Why the newest of them is not the one that counts; None if it is."""

        self.needs_restart: tuple[str, ...] = ()
        """The settings of the file that only a restart can change."""

    def offered(self, rejected: str | None, needs_restart: tuple[str, ...] = ()) -> None:
        """Note that a new configuration was adopted, or why it was not."""
        self.configurations += 1
        self.rejected = rejected
        self.needs_restart = needs_restart
