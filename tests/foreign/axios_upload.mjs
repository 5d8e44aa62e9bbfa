// node axios_upload.mjs URL OCTETS: send a stream of that many octets up with Axios, in pieces of 64 KiB.
import { Readable } from "node:stream";
import axios from "axios";
import { report, reportError } from "./report.mjs";

function* pieces(octets) {
  for (let number = 0; octets > 0; number++, octets -= 65536) {
    yield Buffer.alloc(Math.min(octets, 65536), number % 251);
  }
}

try {
  const response = await axios.post(process.argv[2], Readable.from(pieces(Number(process.argv[3]))), {
    proxy: false,
    maxRedirects: 0, // following redirects would keep the whole body
    headers: { "Content-Type": "application/octet-stream" },
  });
  report({ status: response.status, told: response.data });
} catch (error) {
  reportError(error);
}
