// node fetch_stream.mjs URL: read an answer with Node's fetch. A line "leave" on standard input aborts it.
import { createInterface } from "node:readline";
import { report, reportError, reportPieces } from "./report.mjs";

const leaving = new AbortController();
createInterface({ input: process.stdin }).on("line", () => leaving.abort());
try {
  const response = await fetch(process.argv[2], { signal: leaving.signal });
  report({ status: response.status, type: response.headers.get("content-type") });
  await reportPieces(response.body);
} catch (error) {
  reportError(error);
}
process.stdin.destroy();
