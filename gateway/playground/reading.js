/** Documents on their way through the service: read in a stream, or as a job where they are long. */

import { Problem, events, request, submit, urlOf } from './api.js';
import { visibleName } from './dom.js';

const LONG_PAGES = 20;
const LONG_BYTES = 20_000_000;
const MAX_WAIT_S = 60;
const INCLUDE = 'lines,words,html,page_image';
const LATER_MS = [1000, 5000];
const JOBS = 'jobs';

/**
 * The jobs that this browser has submitted, so that they are found again after a reload: by the name of their batch,
 * which is theirs before the service answers.
 */
export const keptJobs = {
  list: () => JSON.parse(localStorage.getItem(JOBS) ?? '[]'),
  add: (batch, name) => localStorage.setItem(JOBS, JSON.stringify([...keptJobs.list(), { batch, name }])),
  remove: (batch) => localStorage.setItem(JOBS, JSON.stringify(keptJobs.list().filter((job) => job.batch !== batch))),
};

/**
 * One document. Tells `change` when its state or progress changes, `page` (with the page as `detail`) when one is read.
 * `state`: waiting, sending, reading, done, failed, cancelled.
 */
export class Reading extends EventTarget {
  /**
   * `batch`: of a job that is there already.
   * @param {{file?: File, url?: string, batch?: string, name: string}} source
   */
  constructor(source, options, capabilities) {
    super();
    Object.assign(this, { source, options, capabilities });
    this.name = visibleName(source.name);
    this.batch = source.batch ?? null;
    Object.assign(this, { jobId: null, submission: null, hasFailed: false });
    this.pages = new Map();
    this.forget();
    this.state = 'waiting';
    this.problem = null;
    this.abort = new AbortController();
  }

  /** Whether another try may do better: a job that has failed is not read again by asking for it. */
  get canRetry() {
    return this.hasSource || !this.hasFailed;
  }

  /** As new, to be started again; a job that may still be read is found again. */
  reset() {
    if (this.hasFailed) {
      this.cancel();
      Object.assign(this, { batch: null, jobId: null, hasFailed: false });
    }
    Object.assign(this, { problem: null, began: 0, abort: new AbortController() });
    this.forget();
    this.set('waiting');
  }

  /** Drops what was read. */
  forget() {
    for (const page of this.pages.values()) for (const picture of page.pictures.values()) picture.close();
    this.pages.clear();
    Object.assign(this, { total: null, meta: {}, summary: null, firstPageMs: null, readMs: null });
  }

  get isActive() {
    return ['waiting', 'sending', 'reading'].includes(this.state);
  }

  /** Whether the document is still there to be read: that of a job that was found again is not. */
  get hasSource() {
    return Boolean(this.source.file || this.source.url);
  }

  get baseName() {
    return this.name.replace(/\.\w{1,5}$/, '') || 'document';
  }

  sortedPages() {
    return [...this.pages.values()].sort((a, b) => a.page - b.page);
  }

  get warnings() {
    const told = [...this.pages.values()].flatMap((page) => page.warnings);
    return this.summary?.warnings ?? told;
  }

  get status() {
    return this.summary?.status ?? null;
  }

  async start() {
    this.began = performance.now();
    try {
      if (this.jobId) await this.takeUpJob();
      else await (this.source.batch ? this.findJob() : this.readWithRetries());
      this.set('done');
    } catch (error) {
      if (error.name === 'AbortError') return this.set('cancelled');
      this.problem = error instanceof Problem ? error : new Problem({ code: 'internal', detail: String(error) });
      this.set('failed');
    }
  }

  /** Its job is removed as soon as its id is known. One that can't be removed now is found again after a reload. */
  async cancel() {
    this.abort.abort();
    if (!this.began) this.set('cancelled');
    const { batch, jobId, submission } = this;
    if (!batch) return;
    try {
      const id = jobId ?? (await submission?.catch(() => null))?.id ?? (await awaitId(batch));
      if (id) await request(`jobs/${id}`, { method: 'DELETE' });
    } catch (error) {
      if (!error.isGone) return;
    }
    keptJobs.remove(batch);
  }

  set(state) {
    this.state = state;
    this.dispatchEvent(new Event('change'));
  }

  /** A busy service says when to come back. */
  async readWithRetries() {
    for (;;) {
      try {
        return await this.readOnce();
      } catch (error) {
        const isBusy = [429, 503].includes(error.status) && error.retryAfterS !== null;
        if (!isBusy || error.retryAfterS > MAX_WAIT_S) throw error;
        this.problem = error;
        this.set('waiting');
        await pause(error.retryAfterS * 1000, this.abort.signal);
        this.problem = null;
      }
    }
  }

  async readOnce() {
    const isLarge = this.source.file?.size > LONG_BYTES;
    if (this.capabilities.jobs.is_available && isLarge) return this.submitJob();
    this.set('sending');
    const response = await this.post('ocr', { stream: 'true', include: INCLUDE, images: 'inline' }, false);
    for await (const event of events(response)) {
      if (event.name === 'meta') {
        this.take({ meta: event.data, total: event.data.pages.length });
        if (this.capabilities.jobs.is_available && this.total > LONG_PAGES) return this.submitJob();
      } else if (event.name === 'page') this.addPage(event.data);
      else if (event.name === 'error') throw new Problem(event.data);
      else if (event.name === 'done') return this.finish(event.data);
    }
    throw new Problem({});
  }

  async submitJob() {
    this.set('sending');
    if (!this.batch) {
      this.batch = newBatch();
      keptJobs.add(this.batch, this.name);
    }
    this.submission = this.post('jobs', { include: INCLUDE, images: 'stored', batch: this.batch }, true)
      .then((response) => response.json());
    try {
      this.jobId = (await unlessAborted(this.submission, this.abort.signal)).id;
    } catch (error) {
      // Else the job may be there: the next try finds it by its key.
      if (error.isRefusal) this.dropJob();
      throw error;
    }
    return this.followJob();
  }

  async findJob() {
    this.jobId = await findId(this.batch, { signal: this.abort.signal });
    if (!this.jobId) throw new Problem({ status: 404, code: 'not_found', detail: '' });
    return this.followJob();
  }

  /** Of an earlier try. One that is gone is read anew, where the document is there. */
  async takeUpJob() {
    try {
      return await this.followJob();
    } catch (error) {
      if (!error.isGone || !this.hasSource) throw error;
    }
    this.dropJob();
    this.forget();
    return this.readWithRetries();
  }

  /** Knows of its job no more. */
  dropJob() {
    keptJobs.remove(this.batch);
    Object.assign(this, { batch: null, jobId: null, submission: null });
  }

  /** Pages of the job as they are read, taken up again where the connection breaks. */
  async followJob() {
    let last = 0;
    for (let failures = 0; ; ) {
      try {
        await this.showJob();
        const headers = last ? { 'Last-Event-ID': last } : {};
        const response = await this.get(`jobs/${this.jobId}/events?images=stored`, { headers });
        for await (const event of events(response)) {
          if (event.name === 'end') return this.endJob(event.data);
          last = Number(event.id);
          failures = 0;
          this.addPage(event.data);
          if (this.total === null) await this.showJob();
        }
      } catch (error) {
        if (error.code !== 'unreachable' || ++failures > 5) throw error;
        await pause(1000 * failures, this.abort.signal);
      }
    }
  }

  async showJob() {
    const job = await (await this.get(`jobs/${this.jobId}`)).json();
    const document = job.document ?? this.meta.document;
    this.take({ meta: { ...this.meta, document, id: job.id }, total: job.progress.total });
  }

  async endJob(job) {
    if (job.state === 'cancelled') throw new DOMException('cancelled', 'AbortError');
    if (job.state === 'failed') {
      this.hasFailed = true;
      throw new Problem(job.error);
    }
    const statuses = [...this.pages.values()].map((page) => page.status);
    const [first] = new Set(statuses);
    const status = statuses.every((one) => one === first) ? first : 'partial';
    const timings = { total_ms: 1000 * (job.ended - job.started) };
    this.finish({ status, warnings: job.warnings, usage: null, timings });
  }

  get(path, init = {}) {
    return request(path, { ...init, signal: this.abort.signal });
  }

  /** Sends the document. `isWhole`: the answer is of the whole document, so that all options go with it. */
  post(path, more, isWhole) {
    const [send, key] = path === 'jobs' ? [submit, { 'Idempotency-Key': this.batch }] : [request, {}];
    const common = { method: 'POST', signal: this.abort.signal };
    const options = { ...this.optionsFor(isWhole), ...more };
    if (this.source.file) {
      const form = new FormData();
      for (const [name, value] of Object.entries(options)) form.append(name, value);
      form.append('file', this.source.file, this.source.name);
      return send(path, { ...common, headers: key, body: form });
    }
    const query = new URLSearchParams(Object.entries(options).filter(([name]) => name !== 'password'));
    const body = { source: { url: this.source.url }, ...(options.password ? { password: options.password } : {}) };
    const headers = { ...key, 'Content-Type': 'application/json' };
    return send(`${path}?${query}`, { ...common, headers, body: JSON.stringify(body) });
  }

  optionsFor(isWhole) {
    const whole = new Set(this.capabilities.options.filter((option) => !option.streams).map((option) => option.name));
    return Object.fromEntries(Object.entries(this.options).filter(([name]) => isWhole || !whole.has(name)));
  }

  /** The document in another format, as a Blob: of a job the result that is there, else it is read once more. */
  async download(format) {
    const response = this.jobId
      ? await request(`jobs/${this.jobId}/result?format=${format.name}`)
      : await this.post('ocr', { format: format.name, images: 'inline' }, true);
    const blob = await response.blob();
    const isZip = response.headers.get('Content-Type') === 'application/zip';
    return { blob, suffix: isZip ? 'zip' : format.suffix };
  }

  take(found) {
    Object.assign(this, found);
    this.set('reading');
  }

  addPage(data) {
    const { images, ...page } = data;
    page.pictures = new Map(Object.entries(images).map(([key, value]) => [key, pictureOf(value)]));
    this.firstPageMs ??= performance.now() - this.began;
    this.pages.set(page.page, page);
    this.state = 'reading';
    this.dispatchEvent(new CustomEvent('page', { detail: page }));
  }

  finish(summary) {
    this.summary = summary;
    this.readMs = performance.now() - this.began;
  }
}

/**
 * A picture of a page: `load()` gives its bytes; `open()` a URL to show it by, and `close()` frees what that holds. A
 * Blob is kept outside of the page's memory, which matters for hundreds of pages.
 */
function pictureOf(value) {
  if (value.includes('/jobs/')) {
    const url = new URL(value, document.baseURI);
    const path = url.pathname.slice(url.pathname.lastIndexOf('/jobs/'));
    const signed = path + url.search;
    return { load: async () => (await request(signed)).blob(), open: () => urlOf(signed), close: () => {} };
  }
  const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  const blob = new Blob([bytes], { type: 'image/jpeg' });
  let url = null;
  return {
    load: () => Promise.resolve(blob),
    open: () => (url ??= URL.createObjectURL(blob)),
    close: () => {
      if (url) URL.revokeObjectURL(url);
      url = null;
    },
  };
}

/** The job's id; null where there is none. */
async function findId(batch, init = {}) {
  const { jobs } = await (await request(`jobs?batch=${encodeURIComponent(batch)}`, init)).json();
  return jobs[0]?.id ?? null;
}

/** As `findId`, of a job that may just be made: a browser tells that all was sent later than the service has it. */
async function awaitId(batch) {
  for (const ms of LATER_MS) {
    const id = await findId(batch);
    if (id) return id;
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
  return findId(batch);
}

function newBatch() {
  const random = crypto.getRandomValues(new Uint32Array(4));
  return ['playground', ...Array.from(random, (part) => part.toString(36))].join('-');
}

function pause(ms, signal) {
  return unlessAborted(new Promise((resolve) => setTimeout(resolve, ms)), signal);
}

/** What the promise gives; throws what `signal` aborts with, whatever the promise becomes. */
function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    promise.then(resolve, reject);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}
