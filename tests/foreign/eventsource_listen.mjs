// node eventsource_listen.mjs URL: listen to events with the package `eventsource`. A line on standard input closes it.
import { createInterface } from "node:readline";
import { EventSource } from "eventsource";
import { listen } from "./in_page.mjs";
import { report } from "./report.mjs";

const leave = listen(process.argv[2], report, EventSource);
createInterface({ input: process.stdin }).once("line", () => {
  leave();
  process.stdin.destroy();
});
