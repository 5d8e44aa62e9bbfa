"""What `gateway doctor` does: real probes through the real chain, and plain words about what they showed.

`probing` measures, with `far_end` at the other end of the chain; everything that decides what a measurement means is
pure: facts in, findings out. The room knows nothing of the gateway that it examines.
"""
