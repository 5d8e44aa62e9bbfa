"""All peers, in the order of the tables."""

from bench.peers.caddy import Caddy
from bench.peers.envoy import Envoy
from bench.peers.haproxy import HAProxy
from bench.peers.nginx import BufferedNginx, Nginx
from bench.peers.peer import Peer
from bench.peers.python_apps import Aiohttp, FastApi, Recipe
from bench.peers.slowgate import Slowgate
from bench.peers.traefik import Traefik

OURS = Slowgate.name
"""What all others are compared with."""
YARDSTICK = Recipe.name
"""What we compare ourselves with over time: it does not change."""

PEERS: tuple[Peer, ...] = (
    Slowgate(),
    Nginx(),
    BufferedNginx(),
    HAProxy(),
    Envoy(),
    Traefik(),
    Caddy(),
    Aiohttp(),
    Recipe(),
    FastApi(),
)
