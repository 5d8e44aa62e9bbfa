"""Checked strings for settings: the grammar of HTTP and of network addresses, told in the words of `config`."""
