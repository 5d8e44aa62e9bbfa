"""Sets of public keys: what is taken from them, which one a token means, and when they are fetched."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.callers import EC, OKP, OTHER_RSA, RSA, SECRET, a_rule, a_set

from gateway.policy.caller_jwks import KeyCache, Want, key_of_secret, keys_of_set, keys_of_text


def test_key_is_found_by_its_id_and_only_for_algorithms_of_its_type() -> None:
    """A token cannot have an RSA key used for another kind of signature."""
    keys = keys_of_set(a_set(RSA, EC, OKP))

    assert keys.find("rsa-1", "RS256") is not None
    assert keys.find("rsa-1", "ES256") is None
    assert keys.find("rsa-1", "HS256") is None
    assert keys.find("ec-1", "ES256") is not None
    assert keys.find("ec-1", "ES384") is None
    assert keys.find("okp-1", "EdDSA") is not None
    assert keys.find("unknown", "RS256") is None


def test_token_without_an_id_means_the_only_key_that_fits() -> None:
    """Where two fit, none is guessed."""
    assert keys_of_set(a_set(RSA, EC)).find(None, "RS256") is not None
    assert keys_of_set(a_set(RSA, OTHER_RSA)).find(None, "RS256") is None


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"kid": 7},
        {"n": "AQAB"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "XX"},
        {"e": None},
    ],
)
def test_key_of_no_use_is_left_out_and_the_others_stay(change: dict[str, object]) -> None:
    """Keys for encryption, short ones, secrets, and what is malformed."""
    bad = RSA.as_dict(private=False) | change
    text = json.dumps({"keys": [bad, EC.as_dict(private=False)]})

    assert len(keys_of_set(text)) == 1
    with pytest.raises(ValueError, match="no public key"):
        keys_of_set(json.dumps({"keys": [bad]}))


@pytest.mark.filterwarnings("ignore")  # The library warns, and takes it all the same.
def test_short_rsa_key_is_left_out() -> None:
    """Below 2048 bits signatures can be forged with some effort (RFC 7518 section 3.3)."""
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()  # noqa: S505 - too short, on purpose
    n = base64.urlsafe_b64encode(numbers.n.to_bytes(128)).decode().rstrip("=")

    with pytest.raises(ValueError, match="no public key"):
        keys_of_set(json.dumps({"keys": [{"kty": "RSA", "n": n, "e": "AQAB"}]}))


@pytest.mark.parametrize("text", ["", "[]", '{"keys": 1}', "[" * 100_000])
def test_what_is_no_set_is_refused(text: str) -> None:
    """Also a page of an outage that came with 200."""
    with pytest.raises(ValueError, match="no JWK set"):
        keys_of_set(text)


def test_key_in_pem_is_read_and_a_private_one_refused() -> None:
    """One key in PEM has no id and means every token of its type."""
    for key, alg in ((RSA, "RS256"), (EC, "ES256"), (OKP, "EdDSA")):
        pem = key.as_pem(private=False).decode()
        assert keys_of_text(pem).find("any", alg) is None
        assert keys_of_text(pem).find(None, alg) is not None
    with pytest.raises(ValueError, match="private key"):
        keys_of_text(RSA.as_pem(private=True).decode())
    with pytest.raises(ValueError, match="no public key"):
        keys_of_text("-----BEGIN PUBLIC KEY-----\nnothing\n-----END PUBLIC KEY-----\n")


def test_secret_is_for_its_own_algorithms_only() -> None:
    """It never verifies what claims to be signed by a public key."""
    keys = key_of_secret(SECRET)

    assert keys.find(None, "HS256") is not None
    assert keys.find(None, "RS256") is None


def fetched(at: float = 0.0) -> KeyCache:
    cache = KeyCache(a_rule(max_age_seconds=600, min_interval_seconds=30, max_stale_seconds=3600))
    cache.begin(at)
    assert cache.end(a_set(RSA), None, at) is None
    return cache


def test_first_token_waits_and_so_do_those_that_come_meanwhile() -> None:
    """There are no keys yet; once there are, nobody waits."""
    cache = KeyCache(a_rule())
    assert cache.wants("rsa-1", "RS256", 0.0) is Want.WAIT
    cache.begin(0.0)
    assert cache.wants("rsa-1", "RS256", 0.1) is Want.WAIT
    cache.end(a_set(RSA), None, 0.2)
    assert cache.wants("rsa-1", "RS256", 0.3) is Want.NOTHING


@pytest.mark.parametrize(
    ("kid", "now", "want"),
    [
        ("rsa-1", 599.0, Want.NOTHING),
        ("rsa-1", 600.0, Want.REFRESH),
        ("rsa-2", 29.0, Want.NOTHING),
        ("rsa-2", 30.0, Want.WAIT),
        ("rsa-1", 3600.0, Want.WAIT),
    ],
)
def test_keys_are_fetched_anew_in_time(kid: str, now: float, want: Want) -> None:
    """Old ones beside the requests, unknown ones at most every min_interval, and none is used for ever."""
    assert fetched().wants(kid, "RS256", now) is want


def test_flood_of_unknown_keys_fetches_once_in_an_interval() -> None:
    """Ten thousand tokens with ids of their own make no more fetches than one."""
    cache, fetches = fetched(), 0
    for number in range(10_000):
        now = 30.0 + number / 1000
        if cache.wants(f"made-up-{number}", "RS256", now) is Want.WAIT:
            fetches += 1
            cache.begin(now)
            cache.end(a_set(RSA), None, now)

    assert fetches == 1


def test_keys_from_before_are_good_while_the_issuer_is_away() -> None:
    """A failed fetch takes nothing away, until the keys are too old; then it is tried again soon, not at once."""
    cache = fetched()
    cache.begin(700.0)
    assert cache.end(None, "no answer", 701.0) == "no answer"

    assert cache.wants("rsa-1", "RS256", 702.0) is Want.NOTHING
    assert cache.wants("rsa-1", "RS256", 731.0) is Want.REFRESH
    cache.begin(3600.0)
    assert cache.end(b"<html>", None, 3600.0) == "no JWK set: not JSON"
    assert cache.wants("rsa-1", "RS256", 3601.0) is Want.UNAVAILABLE
    assert cache.wants("rsa-1", "RS256", 3605.0) is Want.WAIT
