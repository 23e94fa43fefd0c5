// Reads a page, a job and a refusal by a client that is generated from the service's OpenAPI document.
// Arguments: the service's URL, a key, a file. Prints what it got as JSON.
import { openAsBlob } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [url, key, file] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({
  baseUrl: url,
  headers: { "X-API-Key": key },
  querySerializer: { array: { style: "form", explode: false } },
});

function toForm(body: unknown): FormData {
  const form = new FormData();
  if (typeof body !== "object" || body === null) throw new TypeError("no form");
  for (const [name, value] of Object.entries(body)) {
    form.append(name, value instanceof Blob ? value : String(value));
  }
  return form;
}

const document = (await openAsBlob(file)) as unknown as string;
const answer = await client.POST("/ocr", {
  params: { query: { include: ["lines", "words"] } },
  body: { file: document, pages: "1", images: "none" },
  bodySerializer: toForm,
});
if (!answer.data || typeof answer.data === "string") throw new Error(JSON.stringify(answer.error));
const page = answer.data.pages[0];
const refusal = await client.POST("/ocr", { body: { file: document, pages: "99" }, bodySerializer: toForm });
const code: string | undefined = refusal.error && "code" in refusal.error ? refusal.error.code : undefined;

const submitted = await client.POST("/jobs", { body: { file: [document] }, bodySerializer: toForm });
if (!submitted.data || "jobs" in submitted.data) throw new Error("no job");
const job = await client.GET("/jobs/{job_id}", { params: { path: { job_id: submitted.data.id } } });
await client.DELETE("/jobs/{job_id}", { params: { path: { job_id: submitted.data.id } } });

console.log(
  JSON.stringify({
    status: answer.data.status,
    page: page?.page,
    texts: page?.blocks?.map((block) => block.content),
    code,
    job: job.data?.id === submitted.data.id,
  }),
);
