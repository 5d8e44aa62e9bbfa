// What the scripts here tell the test that runs them: one JSON document a line, as things happen.

export function report(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

// Say what went wrong, with the codes of the errors that caused it, and end by itself.
export function reportError(error) {
  const codes = [];
  for (let cause = error; cause; cause = cause.cause) codes.push(cause.code ?? cause.name);
  report({ error: error.name, message: error.message, codes });
}

// The pieces of a body as text; a character that is cut in two waits for its rest.
export async function reportPieces(body) {
  const decoder = new TextDecoder();
  for await (const piece of body) report({ piece: decoder.decode(piece, { stream: true }) });
  report({ end: true });
}
