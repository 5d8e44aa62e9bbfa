"""What several workers and machines know together: the only room that imports redis."""
