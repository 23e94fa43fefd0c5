/** The service's public API: requests with the key, problems as errors, server-sent events. */

const ROOT = new URL('.', document.baseURI);
const KEY = 'api-key';

/**
 * Why a request failed, in the service's words (RFC 9457). `code` is `unreachable` where no answer came. `is_foreign`:
 * the answer is that of a proxy before the service.
 */
export class Problem extends Error {
  constructor(told, retryAfterS = null) {
    const { status = 0, code = 'unreachable', detail = '', request_id: requestId = '', is_foreign = false } = told;
    super(detail || code);
    Object.assign(this, { status, code, requestId, isForeign: is_foreign, retryAfterS });
  }

  /** Whether the service has surely not done what was asked: one whose database is away may do it later. */
  get isRefusal() {
    return (this.status >= 400 && this.status < 500) || this.status === 507;
  }

  /** Whether the service says that there is no such thing, and not a proxy before it that has lost the service. */
  get isGone() {
    return this.status === 404 && !this.isForeign;
  }
}

export function urlOf(path) {
  return new URL(path.replace(/^\//, ''), ROOT).href;
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? '',
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

/** A response that is a success; throws `Problem`, and what `signal` aborts with. */
export async function request(path, init = {}, send = fetch) {
  const headers = new Headers(init.headers);
  if (key.get()) headers.set('X-API-Key', key.get());
  let response;
  try {
    response = await send(urlOf(path), { ...init, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({});
  }
  if (response.ok) return response;
  throw new Problem(await readProblem(response), secondsOf(response.headers.get('Retry-After')));
}

/**
 * As `request`, for what leaves something behind on the service: `signal` ends it only while it is being sent, for after
 * that its answer alone says what there is to remove.
 */
export const submit = (path, init) => request(path, init, sendWhole);

function sendWhole(url, { method, headers, body, signal }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const call = new XMLHttpRequest(); // `fetch` does not tell when all is sent
    const stop = () => call.abort();
    const end = () => new Response(call.responseText, {
      status: call.status,
      headers: { 'Retry-After': call.getResponseHeader('Retry-After') ?? '' },
    });
    signal.addEventListener('abort', stop);
    call.upload.addEventListener('load', () => signal.removeEventListener('abort', stop));
    call.addEventListener('abort', () => reject(signal.reason));
    call.addEventListener('error', () => reject(new TypeError('no answer')));
    call.addEventListener('load', () => resolve(end()));
    call.open(method, url);
    headers.forEach((value, name) => call.setRequestHeader(name, value));
    call.send(body);
  });
}

async function readProblem(response) {
  try {
    const body = await response.json();
    const { message, ...rest } = body.error ?? body;
    if (typeof rest.code === 'string') return { detail: message, ...rest, status: response.status };
  } catch {
    // No JSON.
  }
  const { status, statusText } = response;
  return { status, code: `http_${status}`, detail: statusText, is_foreign: true };
}

function secondsOf(header) {
  const seconds = Number.parseInt(header ?? '', 10);
  return Number.isNaN(seconds) ? null : seconds;
}

/**
 * The events of a stream, each with its parsed data, as they come. Throws `Problem` where the connection breaks.
 * @param {Response} response
 */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let parts = [];
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw error.name === 'AbortError' ? error : new Problem({});
      });
      if (done) return;
      // Text is put together only where an event ends: a page with its picture comes in hundreds of pieces.
      const tail = (parts.at(-1) ?? '').slice(-1);
      parts.push(value);
      if (!(tail + value).includes('\n\n')) continue;
      const chunks = parts.join('').split('\n\n');
      parts = [chunks.pop()];
      for (const event of chunks.map(parseEvent)) if (event) yield event;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parseEvent(text) {
  const fields = new Map();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  if (!fields.has('data')) return null;
  return { name: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(fields.get('data')) };
}
