// Reads one file by a client for Node.js, as its own documentation has it.
// Arguments: the client, the service's URL, a key, a file, and for FastGPT the folder with its source. Prints what it
// got as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const PROMPT = "OCR:";
const [client, url, key, file, sources] = process.argv.slice(2);
const bytes = readFileSync(file);
const picture = `data:image/png;base64,${bytes.toString("base64")}`;
const parts = [
  { type: "image_url", image_url: { url: picture } },
  { type: "text", text: PROMPT },
];

const clients = {
  async openai() {
    const { default: OpenAI } = await import("openai");
    const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
    const asked = { model: "stub-model", messages: [{ role: "user", content: parts }] };
    const answer = await openai.chat.completions.create(asked);
    let streamed = "";
    for await (const event of await openai.chat.completions.create({ ...asked, stream: true })) {
      streamed += event.choices[0]?.delta.content ?? "";
    }
    const models = [];
    for await (const model of openai.models.list()) models.push(model.id);
    return { text: answer.choices[0].message.content, streamed, models };
  },

  async mistral() {
    const { Mistral } = await import("@mistralai/mistralai");
    const mistral = new Mistral({ apiKey: key, serverURL: url, retryConfig: { strategy: "none" } });
    const uploaded = await mistral.files.upload({
      file: { fileName: basename(file), content: bytes },
      purpose: "ocr",
    });
    const signed = await mistral.files.getSignedUrl({ fileId: uploaded.id });
    const read = await mistral.ocr.process({
      model: "mistral-ocr-latest",
      document: { type: "document_url", documentUrl: signed.url },
      includeImageBase64: true,
      tableFormat: "html",
    });
    const deleted = await mistral.files.delete({ fileId: uploaded.id });
    return {
      texts: read.pages.map((page) => page.markdown),
      images: read.pages.flatMap((page) => page.images.map((image) => image.imageBase64?.slice(0, 15))),
      tables: read.pages.flatMap((page) => (page.tables ?? []).map((table) => table.id)),
      deleted: deleted.deleted,
    };
  },

  async mistralChat() {
    const { Mistral } = await import("@mistralai/mistralai");
    const mistral = new Mistral({ apiKey: key, serverURL: url, retryConfig: { strategy: "none" } });
    const content = [
      { type: "image_url", imageUrl: picture },
      { type: "text", text: PROMPT },
    ];
    const answer = await mistral.chat.complete({ model: "stub-model", messages: [{ role: "user", content }] });
    return { text: answer.choices[0].message.content };
  },

  async azure() {
    const { default: connect, getLongRunningPoller, isUnexpected } = await import(
      "@azure-rest/ai-document-intelligence"
    );
    const azure = connect(url, { key }, { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } });
    const begun = await azure.path("/documentModels/{modelId}:analyze", "prebuilt-layout").post({
      contentType: "application/json",
      body: { base64Source: bytes.toString("base64") },
      queryParameters: { outputContentFormat: "markdown" },
    });
    if (isUnexpected(begun)) return { error: begun.body.error.code, status: Number(begun.status) };
    const done = (await getLongRunningPoller(azure, begun).pollUntilDone()).body;
    if (done.status !== "succeeded") return { error: done.error.code };
    const { content, pages, tables, paragraphs } = done.analyzeResult;
    return {
      content,
      words: pages.map((page) => page.words.length),
      tables: tables.length,
      roles: paragraphs.map((one) => one.role ?? null),
    };
  },

  async formRecognizer() {
    const { AzureKeyCredential, DocumentAnalysisClient } = await import("@azure/ai-form-recognizer");
    const forms = new DocumentAnalysisClient(url, new AzureKeyCredential(key), {
      allowInsecureConnection: true,
      retryOptions: { maxRetries: 0 },
    });
    const poller = await forms.beginAnalyzeDocument("prebuilt-document", bytes, { updateIntervalInMs: 200 });
    const result = await poller.pollUntilDone();
    return {
      content: result.content,
      words: result.pages.map((page) => [...page.lines[1].words()].map((word) => word.content)),
      tables: result.tables.length,
      pairs: result.keyValuePairs.length,
    };
  },

  async langchain() {
    const { ChatOpenAI } = await import("@langchain/openai");
    const { HumanMessage } = await import("@langchain/core/messages");
    const model = new ChatOpenAI({
      model: "stub-model",
      apiKey: key,
      maxRetries: 0,
      configuration: { baseURL: `${url}/v1` },
    });
    return { text: (await model.invoke([new HumanMessage({ content: parts })])).content };
  },

  async langchainMistral() {
    const { ChatMistralAI } = await import("@langchain/mistralai");
    const { HumanMessage } = await import("@langchain/core/messages");
    const model = new ChatMistralAI({ model: "stub-model", apiKey: key, serverURL: url, maxRetries: 0 });
    return { text: (await model.invoke([new HumanMessage({ content: parts })])).content };
  },

  async aiSdk() {
    const { generateText, streamText } = await import("ai");
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    const model = createOpenAICompatible({ name: "ours", baseURL: `${url}/v1`, apiKey: key })("stub-model");
    const content = [
      { type: "image", image: bytes },
      { type: "text", text: PROMPT },
    ];
    const asked = { model, maxRetries: 0, messages: [{ role: "user", content }] };
    const { text } = await generateText(asked);
    const streamed = await streamText(asked).text;
    return { text, streamed };
  },

  // Its own code. What it imports of FastGPT is played: the log, the bill, the store of pictures and how they are
  // found in a text.
  async fastgpt() {
    const { default: ts } = await import("typescript");
    const require = createRequire(import.meta.url);
    const got = { pictures: [] };
    const played = {
      "../image/controller": {
        uploadMongoImg: async ({ base64Img }) => {
          got.pictures.push(base64Img.slice(0, 15));
          return "/kept.jpg";
        },
      },
      "../../system/log": { addLog: { info() {}, debug() {}, warn() {} } },
      "@fastgpt/global/common/system/utils": { batchRun: (list, work) => Promise.all(list.map(work)) },
      "@fastgpt/global/common/string/markdown": { matchMdImg },
      "../../../support/wallet/usage/controller": { createPdfParseUsage: ({ pages }) => (got.pages = pages) },
      "../../../thirdProvider/doc2x": {},
      "../../../worker/function": {},
    };
    const source = readFileSync(join(sources, "FastGPT/packages/service/common/file/read/utils.ts"), "utf8");
    const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    const fastgpt = {};
    new Function("require", "exports", outputText)((name) => played[name] ?? require(name), fastgpt);
    global.systemEnv = { customPdfParse: { url: `${url}/v2/parse/file`, key } };
    const asked = { teamId: "", tmbId: "", extension: "pdf", encoding: "utf-8", buffer: bytes, customPdfParse: true };
    const { rawText } = await fastgpt.readRawContentByFileBuffer(asked);
    return { text: rawText, ...got };
  },
};

function matchMdImg(markdown) {
  const imageList = [];
  const text = markdown.replace(/!\[\]\(data:([^;]+);base64,([^)]+)\)/g, (_, mime, base64) => {
    const uuid = `picture-${imageList.length}.`;
    imageList.push({ uuid, mime, base64 });
    return `![](${uuid})`;
  });
  return { text, imageList };
}

let got;
try {
  got = await clients[client]();
} catch (error) {
  // FastGPT rejects with the reason itself.
  got = {
    error: error.constructor.name,
    status: error.status ?? error.statusCode ?? null,
    message: String(error.message ?? error),
  };
}
console.log(JSON.stringify(got));
