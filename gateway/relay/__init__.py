"""Moving chunks, and what may interrupt it: the client's leaving, deadlines, shutdown."""
