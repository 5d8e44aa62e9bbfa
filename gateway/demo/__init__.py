"""A slow upstream to try the gateway on, and to test it with: ``python -m gateway.demo --listen 127.0.0.1:9000``.

A room of its own: it imports no other room of ours, and none imports it but the command line.
"""
