"""Signatures for AWS, against those that AWS has published and the forms its services make of a request."""

import hashlib

import pytest

from gateway.exchange.credential import SigV4
from gateway.policy.sigv4 import authorization, canonical_request, signature_fields

NOW = "20150830T123600Z"
RULE = SigV4("us-east-1", "service", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = "example.amazonaws.com"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("method", "target", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("GET", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("GET", "/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ],
)
def test_signature_is_the_one_of_the_published_suite(method: str, target: str, signature: str) -> None:
    """get-vanilla, post-vanilla, get-vanilla-query-order-key-case, get-slashes, get-relative, get-slash-dot-slash."""
    canonical = canonical_request("service", method, target, {"host": HOST, "x-amz-date": NOW}, EMPTY)

    assert authorization(RULE, canonical, "host;x-amz-date", NOW) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


@pytest.mark.parametrize(
    ("service", "target", "path", "query"),
    [
        # What was escaped is escaped once more, but not for S3 (the service decodes what it got, once or never).
        ("bedrock", "/model/a%3A1/invoke", "/model/a%253A1/invoke", ""),
        ("s3", "/model/a%3A1/in:voke", "/model/a%3A1/in%3Avoke", ""),
        ("bedrock", "/a/./b/../c/", "/a/c/", ""),
        ("s3", "/a//../b", "/a//../b", ""),
        ("bedrock", "/x?b&a=2&a=1&A=3&=", "/x", "=&A=3&a=1&a=2&b="),
        ("bedrock", "/x?k=a%2fb&j=a/b+c", "/x", "j=a%2Fb%20c&k=a%2Fb"),
        ("s3", "/~a-b_c.d?", "/~a-b_c.d", ""),
        ("bedrock", "", "/", ""),
        ("s3", "/%FF", "/%FF", ""),
    ],
)
def test_path_and_query_are_signed_in_the_form_that_the_service_makes_of_them(
    service: str, target: str, path: str, query: str
) -> None:
    """The request itself stays as it came."""
    lines = canonical_request(service, "GET", target, {"host": HOST}, EMPTY).split("\n")
    assert lines[1:3] == [path, query]


def test_request_gets_date_digest_token_and_signature() -> None:
    """All of them are signed but the last."""
    rule = SigV4("eu-west-1", "bedrock", "AKID", "key", "session")
    lines = signature_fields(rule, "POST", "/x", [("host", HOST)], b"{}", NOW)

    assert lines[:3] == [
        ("X-Amz-Date", NOW),
        ("X-Amz-Content-Sha256", hashlib.sha256(b"{}").hexdigest()),
        ("X-Amz-Security-Token", "session"),
    ]
    name, value = lines[3]
    assert name == "Authorization"
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in value
    other = signature_fields(rule, "POST", "/x", [("host", HOST)], b"{ }", NOW)
    assert other[3] != lines[3]


def test_body_that_streams_is_named_unsigned() -> None:
    """The service knows that word."""
    lines = dict(signature_fields(RULE, "PUT", "/x", [("Host", HOST)], None, NOW))
    assert lines["X-Amz-Content-Sha256"] == "UNSIGNED-PAYLOAD"
    assert "X-Amz-Security-Token" not in lines
