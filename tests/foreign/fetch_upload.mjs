// node fetch_upload.mjs URL: send each line of standard input up as it comes, with fetch and `duplex: "half"`.
import { createInterface } from "node:readline";
import { report, reportError, reportPieces } from "./report.mjs";

const body = new ReadableStream({
  async start(controller) {
    for await (const line of createInterface({ input: process.stdin })) {
      controller.enqueue(new TextEncoder().encode(line + "\n"));
    }
    controller.close();
  },
});
try {
  const response = await fetch(process.argv[2], { method: "POST", body, duplex: "half" });
  report({ status: response.status, type: response.headers.get("content-type") });
  await reportPieces(response.body);
} catch (error) {
  reportError(error);
}
process.stdin.destroy();
