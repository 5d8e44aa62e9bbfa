// node axios_stream.mjs URL: read an answer with Axios as a stream. A line "leave" on standard input destroys it.
import { createInterface } from "node:readline";
import axios from "axios";
import { report, reportError, reportPieces } from "./report.mjs";

try {
  const response = await axios.get(process.argv[2], {
    responseType: "stream",
    proxy: false,
    decompress: true,
    validateStatus: () => true,
  });
  report({ status: response.status, type: response.headers["content-type"] });
  createInterface({ input: process.stdin }).on("line", () => response.data.destroy());
  await reportPieces(response.data);
} catch (error) {
  reportError(error);
}
process.stdin.destroy();
