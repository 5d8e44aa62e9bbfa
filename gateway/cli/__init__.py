"""The command line: results on stdout, talk on stderr; 0 done, 1 invalid configuration, 2 usage, 69 cannot bind."""
