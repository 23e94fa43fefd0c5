// Reads a document with fetch, page by page as they come; Node 20 or a browser.  node javascript.mjs scan.pdf
import { openAsBlob } from "node:fs";
import { basename } from "node:path";

const file = process.argv[2];
const url = process.env.PADDLEOCR_VL_URL ?? "http://localhost:8081";
const key = process.env.PADDLEOCR_VL_API_KEY ?? "";

const form = new FormData();
form.append("file", await openAsBlob(file), basename(file));
form.append("stream", "true");
form.append("images", "none");
const response = await fetch(`${url}/ocr`, { method: "POST", headers: { "X-API-Key": key }, body: form });
if (!response.ok) {
  const problem = await response.json();
  console.error(`${file}: ${problem.detail}`);
  process.exit(1);
}

let text = "";
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
  text += piece;
  const events = text.split("\n\n");
  text = events.pop();
  for (const event of events) {
    const [, name, data] = event.match(/^event: (.*)\ndata: (.*)$/) ?? [];
    if (name === "page") {
      const page = JSON.parse(data);
      console.log(`page ${page.page}, ${page.blocks.length} blocks\n${page.markdown}`);
    } else if (name === "error") {
      throw new Error(JSON.parse(data).detail);
    }
  }
}
