"""The only room that imports gunicorn. Imports nothing here: `patch` must run before everything else."""
