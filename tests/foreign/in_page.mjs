// What runs in a browser's page; `listen` runs in Node too. Both tell what happens with `report`, and return a function
// that leaves.

// Read an answer with fetch.
export function read(url, report) {
  const leaving = new AbortController();
  const all = async () => {
    const response = await fetch(url, { signal: leaving.signal });
    report({ status: response.status, type: response.headers.get("content-type") });
    const decoder = new TextDecoder();
    for await (const piece of response.body) report({ piece: decoder.decode(piece, { stream: true }) });
    report({ end: true });
  };
  // A browser tells scripts no codes, only this message.
  all().catch((error) => report({ error: error.name, message: error.message, codes: [error.message] }));
  return () => leaving.abort();
}

// Listen to events. An `error` with data is the server's; one without is of the connection: `again` says that the
// source connects anew, and else it never will.
export function listen(url, report, Source = globalThis.EventSource) {
  const source = new Source(url);
  source.onopen = () => report({ open: true });
  const heard = (event) => report({ event: event.type, data: event.data, id: event.lastEventId });
  for (const name of ["message", "tick"]) source.addEventListener(name, heard);
  // Not `onerror`: npm's calls that for the connection alone.
  source.addEventListener("error", (event) => {
    if (event.data !== undefined) heard(event);
    else report({ again: source.readyState === Source.CONNECTING });
  });
  return () => source.close();
}
