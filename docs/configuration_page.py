"""Makes docs/configuration.md from the model of `gateway.toml`."""

import re
from pathlib import Path

from docs.model import Setting, settings_of
from gateway.config.model import Model
from gateway.settings import (
    AddressesSettings,
    AdminSettings,
    AdminTlsSettings,
    AdminTokenSettings,
    BasicSettings,
    BreakerSettings,
    BudgetSettings,
    CallersSettings,
    CertificateSettings,
    CredentialsSettings,
    EndpointSettings,
    ForwardingSettings,
    ForwardSettings,
    HealthSettings,
    HmacSettings,
    KeySettings,
    LogSettings,
    OAuth2Settings,
    Policies,
    RateSettings,
    RouteSettings,
    ServerSettings,
    ServerTlsSettings,
    Settings,
    SharedSettings,
    SigV4Settings,
    StoreSettings,
    TokenSettings,
    TracingSettings,
    UpstreamSettings,
    UpstreamTlsSettings,
    UserSettings,
)

PAGE = Path(__file__).parent / "configuration.md"

INTRODUCTION = """\
# Configuration

Everything stands in one file, `gateway.toml`, or in the file that `-c` or the variable `GATEWAY_CONFIG` names.
This page is made from the model that reads the file (`gateway/settings/__init__.py` and the policies in
`gateway/policy/`) by `docs/generate.py`; do not edit it.

```toml
[server]
listen = "127.0.0.1:8080"

[defaults]
timeouts = { idle = "2m" }

[upstreams.reports]
endpoints = ["http://127.0.0.1:9000"]
timeouts = { first_byte = "10m" }

[[routes]]
path = "/reports/"
upstream = "reports"
strip_prefix = "/reports"
```

- **Durations and sizes are strings with units**: `"250ms"`, `"30s"`, `"5m"`, `"1h30m"`; `"512B"`, `"64KiB"`,
  `"10MB"`. A bare number is an error, for it does not say what it counts.
- **Any string may hold references**: `"${env:NAME}"`, `"${env:NAME:-default}"`, `"${file:PATH}"`; `$${` stands for a
  plain `${`. What they bring is read again at each reload and never shown: it prints as `***`.
- **File names** are relative to the directory of the file that they stand in.
- **Unknown settings are errors**, and everything that is wrong is told at once, with file, line and column. A gateway
  never starts half-configured.

## Commands

| Command | Does |
|---|---|
| `gateway check` | tells everything that is wrong, or questionable; status 1 if the file is bad |
| `gateway config` | prints the configuration as it holds in the end, and where each value came from |
| `gateway explain METHOD PATH` | says what becomes of a request, and which lines of the file say so |
| `gateway routes` | lists the routes; with METHOD and PATH, says why each one serves a request or not |
| `gateway schema` | prints the JSON Schema of the file, for editors |
| `gateway init` | writes a commented file to start from: `generic`, `openai` or `anthropic` |

`gateway check --strict` takes warnings for errors, as a pipeline should. `--json` prints an array of objects instead of
text, each with `severity`, `file`, `line`, `column`, `path`, `message`, `expected`, `found` and `suggestion`.

`gateway explain` names the route, what each endpoint is asked, and the policies phase by phase with their values;
`-H "Name: value"` adds a field to the request. Its status is 1 if the request would be refused.

Editors complete and check the file while one types: write the schema to a file beside it
(`gateway schema > gateway.schema.json`) and put `#:schema ./gateway.schema.json` into the first line of `gateway.toml`.
taplo and tombi read it, and so do the editors that use them.

## Several files

`include` takes in further files. They may hold `[upstreams.NAME]`, `[[routes]]` and an `include` of their own;
everything else belongs in the main file. In each pattern the files come in the order of their names; a pattern may
match none, a plain name must be there. What is in two files is an error that names both places.

```
include = ["routes.d/*.toml"]
```
"""

INHERITANCE = """\
The tables below may stand in `[defaults]`, in `[upstreams.NAME]` and in `[[routes]]`. **The nearest wins, key by
key**: what the route says, else what its upstream says, else what `[defaults]` says, else the default below. In the
example above the route has `first_byte = "10m"` from its upstream, `idle = "2m"` from `[defaults]`, and
`connect = "5s"`, the default. `gateway config` shows for each route what came from where.
"""

TABLES: tuple[tuple[str, type[Model]], ...] = (
    ("[server]", ServerSettings),
    ("[server.tls]", ServerTlsSettings),
    ("[server.addresses]", AddressesSettings),
    ("[admin]", AdminSettings),
    ("[admin.tls]", AdminTlsSettings),
    ("[[admin.tokens]]", AdminTokenSettings),
    ("[log]", LogSettings),
    ("[store]", StoreSettings),
    ("[tracing]", TracingSettings),
    ("[forwarding]", ForwardingSettings),
    ("[callers]", CallersSettings),
    ("[callers.keys.NAME]", KeySettings),
    ("[callers.users.NAME]", UserSettings),
    ("[callers.certificates.NAME]", CertificateSettings),
    ("[callers.jwt.NAME]", TokenSettings),
    ("[callers.forward_auth.NAME]", ForwardSettings),
    ("[shared]", SharedSettings),
    ("[upstreams.NAME]", UpstreamSettings),
    ("[upstreams.NAME.endpoints]", EndpointSettings),
    ("[upstreams.NAME.breaker]", BreakerSettings),
    ("[upstreams.NAME.health]", HealthSettings),
    ("[upstreams.NAME.credentials]", CredentialsSettings),
    ("[upstreams.NAME.credentials.basic]", BasicSettings),
    ("[upstreams.NAME.credentials.oauth2]", OAuth2Settings),
    ("[upstreams.NAME.credentials.sigv4]", SigV4Settings),
    ("[upstreams.NAME.credentials.hmac]", HmacSettings),
    ("[upstreams.NAME.tls]", UpstreamTlsSettings),
    ("[[routes]]", RouteSettings),
    ("[[routes.limits.rates]]", RateSettings),
    ("[[routes.limits.budgets]]", BudgetSettings),
)
"""The tables of the file in its order; those that inherit have a section of their own."""

_ALREADY_SAID = re.compile(
    r"(?:(?:Duration|Size/duration|Size|Number|Path|Token|Host name|Field name|Table|Array(?: of [a-z ]+)?)"
    r"(?: or \"off\")?|Required"
    r"|Default (?:\"[^\"]*\"|[\w.-]+)|Default: any|Default none)\.$"
)


def page() -> str:
    """Return the whole page."""
    top = next(each for each in settings_of(Settings) if each.name == "include")
    parts = [INTRODUCTION, _table([("include", top)])]
    for header, model in TABLES:
        parts.append(f"\n## {header.strip('[]')}\n\n`{header}`: {_described(model)}\n")
        parts.append(_table(_rows(header.strip("[]"), model)))
    parts.append(f"\n## Settings that inherit\n\n{INHERITANCE}")
    for name, field in Policies.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, Model)
        parts.append(f"\n### {name}\n\n{_described(model)}\n")
        parts.append(_table([(f"{name}.{each.name}", each) for each in settings_of(model)]))
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def _rows(prefix: str, model: type[Model]) -> list[tuple[str, Setting]]:
    return [(f"{prefix}.{each.name}", each) for each in settings_of(model) if not _inherits(model, each.name)]


def _inherits(model: type[Model], name: str) -> bool:
    return issubclass(model, Policies) and name in Policies.model_fields


def _described(model: type[Model]) -> str:
    return " ".join((model.__doc__ or "").split())


def _table(settings: list[tuple[str, Setting]]) -> str:
    rows = ["", "| Setting | Type | Default | Meaning |", "|---|---|---|---|"]
    for path, each in settings:
        default = "**required**" if each.required else "" if each.kind == "table" else f"`{each.default or 'not set'}`"
        rows.append(f"| `{path}` | {each.kind} | {default} | {_meaning(each)} |".replace("`|`", "`\\|`"))
    return "\n".join(rows)


def _meaning(setting: Setting) -> str:
    """Return what the model says, without what the other columns do."""
    sentences = re.split(r'(?<=[.;]) (?=[A-Z"])', setting.text)
    return " ".join(each for each in sentences if not _ALREADY_SAID.fullmatch(each))
