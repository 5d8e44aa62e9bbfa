"""Errors told inside a stream: which status each would have been, by the words of the APIs that tell them."""

from gateway.exchange.marks import InBandError

LONGEST_CODE = 64
LARGEST_BODY_BYTES = 65536
UNKNOWN_STATUS = 502

# Types and codes of the APIs of OpenAI, Anthropic, OpenRouter, and of servers that speak like them (vLLM, Azure).
_STATUS = {
    "invalid_request_error": 400,
    "invalid_request": 400,
    "invalid_prompt": 400,
    "invalid_image": 400,
    "bad_request": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "image_content_policy_violation": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthorized": 401,
    "billing_error": 402,
    "payment_required": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "forbidden": 403,
    "not_found_error": 404,
    "not_found": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "timeout": 408,
    "request_timeout": 408,
    "conflict_error": 409,
    "request_too_large": 413,
    "string_above_max_length": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limited": 429,
    "tokens": 429,
    "requests": 429,
    "insufficient_quota": 429,
    "too_many_requests": 429,
    "server_error": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "api_error": 500,
    "upstream_error": 502,
    "bad_gateway": 502,
    "provider_error": 502,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "server_overloaded": 503,
    "no_available_provider": 503,
    "timeout_error": 504,
    "gateway_timeout": 504,
    "overloaded_error": 529,
}


def status_of(word: object) -> int | None:
    """Return the status that a code or type stands for: a number from 400 to 599, or a known word; else None."""
    if isinstance(word, str):
        if word.isdecimal() and len(word) == 3:
            word = int(word)
        else:
            return _STATUS.get(word.lower())
    if isinstance(word, int) and not isinstance(word, bool) and 400 <= word <= 599:
        return word
    return None


def in_band_error(error: object, body: bytes) -> InBandError:
    """Return the error that ``error`` tells: an object with any of ``code``, ``type`` and ``status``, or a text.

    ``body`` is the whole document it came in. The first of the three that stands for a status decides; where none
    does it is 502.
    """
    words = [error.get(key) for key in ("code", "type", "status")] if isinstance(error, dict) else []
    status = next((known for known in map(status_of, words) if known is not None), UNKNOWN_STATUS)
    said = [str(word) for word in words if isinstance(word, str | int) and not isinstance(word, bool) and word != ""]
    code = "".join(char for char in (said[0] if said else "error") if "!" <= char <= "~")
    return InBandError(code[:LONGEST_CODE] or "error", status, body if len(body) <= LARGEST_BODY_BYTES else b"")
