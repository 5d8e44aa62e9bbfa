"""Spans of ended exchanges, sent by OTLP over HTTP. Loaded only where `[tracing]` names an endpoint."""
