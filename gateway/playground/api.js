/** The service's public API: requests with the key, problems as errors, server-sent events. */

const ROOT = new URL('.', document.baseURI);
const KEY = 'api-key';

/** Why a request failed, in the service's words (RFC 9457). `code` is `unreachable` where no answer came. */
export class Problem extends Error {
  constructor({ status = 0, code = 'unreachable', detail = '', request_id: requestId = '' }, retryAfterS = null) {
    super(detail || code);
    Object.assign(this, { status, code, requestId, retryAfterS });
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
export async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  if (key.get()) headers.set('X-API-Key', key.get());
  let response;
  try {
    response = await fetch(urlOf(path), { ...init, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({});
  }
  if (response.ok) return response;
  throw new Problem(await readProblem(response), secondsOf(response.headers.get('Retry-After')));
}

async function readProblem(response) {
  try {
    const body = await response.json();
    const { message, ...rest } = body.error ?? body;
    return { detail: message, ...rest, status: response.status };
  } catch {
    return { status: response.status, code: `http_${response.status}`, detail: response.statusText };
  }
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
