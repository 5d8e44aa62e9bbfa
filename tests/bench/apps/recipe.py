"""The proxy that one writes by hand in twenty lines, done as well as twenty lines allow: Flask and requests.

A Session for kept connections, an unread stream, pieces passed on as they come. Served as the gateway is: one gunicorn
worker with gevent. What it gets wrong is not measured here.
"""

import os

import flask
import requests

UPSTREAM = os.environ["PROXY_UPSTREAM"]
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length", "host"}

app = flask.Flask(__name__)
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=10, pool_maxsize=1000))


@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def proxy(path: str) -> flask.Response:
    """Pass one request on."""
    answer = session.request(
        flask.request.method,
        f"{UPSTREAM}/{path}",
        params=flask.request.args,
        headers={name: value for name, value in flask.request.headers if name.lower() not in OF_THE_CONNECTION},
        data=flask.request.get_data(),
        stream=True,
        allow_redirects=False,
    )
    fields = [(name, value) for name, value in answer.headers.items() if name.lower() not in OF_THE_CONNECTION]
    return flask.Response(answer.iter_content(chunk_size=None), answer.status_code, fields)
