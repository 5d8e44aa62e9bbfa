"""The hardening page can be copied: its file is accepted, and what it promises of the deployment stands there."""

import re
from pathlib import Path

import pytest
from support.certificates import TlsFiles

from gateway.assemble import read_checked
from gateway.exchange.access import caller

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text()


def the_file() -> str:
    """Return the configuration below the heading "The file"."""
    found = re.search(r"^### The file\n.*?^```\n(.*?)^```$", PAGE, re.M | re.S)
    assert found is not None
    return found[1]


def test_the_hardened_file_is_accepted_without_a_warning(tmp_path: Path, tls_files: TlsFiles) -> None:
    """With certificates and credentials where it says; and its tokens do what their names say."""
    given = {
        "/etc/slowgate/tls/server.pem": tls_files.certificate.read_text(),
        "/etc/slowgate/tls/clients.pem": tls_files.ca.read_text(),
        "/run/credentials/slowgate.service/server.key": tls_files.key.read_text(),
        "/run/credentials/slowgate.service/prometheus": "a" * 64 + "\n",
        "/run/credentials/slowgate.service/deploy": "b" * 64 + "\n",
    }
    text = the_file()
    for number, (name, content) in enumerate(given.items()):
        assert name in text
        copy = tmp_path / f"file-{number}"
        copy.write_text(content)
        copy.chmod(0o600)
        text = text.replace(name, str(copy))
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    found = read_checked(file)

    assert found.warnings == ()
    assert caller(found.plan.admin, "Bearer " + "a" * 64, None).rights == {"read"}
    assert caller(found.plan.admin, "Bearer " + "b" * 64, None).rights == {"read", "control"}
    assert caller(found.plan.admin, None, None).rights == set()


@pytest.mark.parametrize(
    "directive",
    [
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "PrivateDevices=yes",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
        "LimitCORE=0",
    ],
)
def test_the_unit_has_what_the_page_says(directive: str) -> None:
    """A user made for it, a read-only system, no devices, no capabilities, no new privileges, no core dumps."""
    assert directive in (ROOT / "deploy/slowgate.service").read_text().splitlines()
