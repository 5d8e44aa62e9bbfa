"""What a stream says about itself: frames, progress, errors, and whether the answer is whole. Incremental and pure."""
