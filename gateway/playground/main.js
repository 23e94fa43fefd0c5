/** The page as a whole: what comes in, the list of documents, and how its parts follow each other. */

import { Problem, key, request } from './api.js';
import { announce, button, element, languages, setLanguage, t, translate } from './dom.js';
import { listenForDocuments } from './intake.js';
import { Reading, keptJobs } from './reading.js';
import { Results } from './results.js';
import { Viewer } from './viewer.js';

const AT_ONCE = 2;
const REDRAW_MS = 400;
const ENGINE_LOOK_MS = 3000;
const at = (id) => document.getElementById(id);
const app = {
  capabilities: null, viewer: null, results: null,
  readings: [], items: new Map(), current: null, page: null,
};

async function begin() {
  setTheme(localStorage.getItem('theme'));
  const wanted = localStorage.getItem('language') ?? navigator.language.slice(0, 2);
  const language = languages.includes(wanted) ? wanted : 'en';
  const [capabilities] = await Promise.all([fetchCapabilities(), setLanguage(language)]);
  at('language').value = language;
  app.capabilities = capabilities;
  if (!capabilities) return;
  buildParts();
  listen();
  const maxBytes = capabilities.limits.max_upload_bytes;
  listenForDocuments({ maxBytes, onSources: addReadings, onProblem: showError });
  at('key-open').hidden = !capabilities.key.is_required;
  if (capabilities.sources.url === 'off') at('url-form').hidden = true;
  showService();
  awaitEngine();
  for (const { batch, name } of keptJobs.list()) addReading({ batch, name });
  document.body.dataset.ready = '';
}

async function fetchCapabilities() {
  try {
    return await (await request('v1/capabilities')).json();
  } catch (problem) {
    showError(problem);
    return null;
  }
}

function buildParts() {
  const { capabilities } = app;
  const kinds = new Map(capabilities.labels.map(({ name, kind }) => [name, kind]));
  const hidden = new Set(capabilities.labels.filter((label) => !label.is_shown).map(({ name }) => name));
  app.viewer = new Viewer(at('page'), { kinds, onSelect: (id) => select(id, 'page'), onPage: showPage, describe });
  app.results = new Results(at('results'), {
    kinds, hidden, capabilities, describe,
    actions: {
      select: (id) => select(id, 'results'),
      showPage,
      showUnread: () => app.viewer.setLayer('unread', true),
      readAgain: (reading, more) => addReading(reading.source, { ...reading.options, ...more }),
      tell: showError,
    },
  });
}

/** Asks again until the engine can read. */
async function awaitEngine() {
  while (app.capabilities.engine.state !== 'ready') {
    await new Promise((resolve) => setTimeout(resolve, ENGINE_LOOK_MS));
    const found = await fetchCapabilities();
    if (found) Object.assign(app.capabilities, found);
    showService();
  }
}

function showService() {
  const { engine, sources } = app.capabilities;
  const isReady = engine.state === 'ready';
  at('engine').textContent = isReady ? `${engine.kind} · ${engine.model}` : t(`engine_${engine.state}`);
  at('engine').dataset.state = engine.state;
  at('engine').title = engine.scripts ? t('reads', { scripts: engine.scripts.join(', ') }) : '';
  at('drop-kinds').textContent = Object.values(sources.media_types).join(', ');
  at('chooser').accept = [...Object.keys(sources.media_types), '.pdf', '.heic', '.jp2'].join(',');
}

function listen() {
  at('options').addEventListener('toggle', fillOptions);
  at('language').addEventListener('change', (event) => changeLanguage(event.target.value));
  at('theme').addEventListener('click', switchTheme);
  at('clear').addEventListener('click', clearRead);
  for (const view of at('views').children) view.addEventListener('click', () => setView(view.dataset.view));
  listenToDialogs();
  document.addEventListener('pointerdown', ({ target }) => closeMenu((menu) => !menu.contains(target)));
  document.addEventListener('keydown', (event) => import('./keys.js').then(({ onKey }) => onKey(event, commands)));
}

/** Of the page's layers; whether it was open. */
function closeMenu(isMeant = () => true) {
  const menu = document.querySelector('.menu[open]');
  if (!menu || !isMeant(menu)) return false;
  menu.open = false;
  return true;
}

function listenToDialogs() {
  at('key-open').addEventListener('click', () => askForKey());
  at('key-cancel').addEventListener('click', () => at('key-dialog').close());
  at('key-save').addEventListener('click', () => saveKey(at('key-value').value.trim()));
  at('key-forget').addEventListener('click', () => saveKey(''));
  at('key-value').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') saveKey(event.target.value.trim());
  });
  at('help-open').addEventListener('click', showHelp);
  at('help-close').addEventListener('click', () => at('help-dialog').close());
}

/** What keys do; `keys.js` says which. */
const commands = {
  page: (by) => app.viewer.step(by),
  block: (by) => selectNext(by),
  zoom: (by) => app.page && app.viewer.zoomBy(by),
  fit: () => app.page && app.viewer.setZoom(null),
  rotate: () => app.page && app.viewer.rotate(),
  layer: (name) => app.viewer.setLayer(name, !app.viewer.layers.has(name)),
  tab: (number) => app.results.tabs[number - 1]?.click(),
  clear: () => closeMenu() || select(null, 'keys'),
  help: () => showHelp(),
};

async function showHelp() {
  const { keysHelp } = await import('./keys.js');
  at('help-keys').replaceChildren(...keysHelp());
  at('help-dialog').showModal();
}

// Documents

/** Those that came together, in their order, and the first of them shown, which is read first. */
function addReadings(sources) {
  const before = at('list').firstElementChild;
  const added = sources.map((source) => addReading(source, undefined, before));
  if (added.length) showReading(added[0]);
}

/** `options`: those that differ from the service's defaults; else as the form has them. `before`: an item of the list. */
function addReading(source, options = app.chosen?.() ?? {}, before = at('list').firstElementChild) {
  at('drop-error').hidden = true;
  const reading = new Reading(source, options, app.capabilities);
  const item = element('li', { class: 'document' });
  reading.addEventListener('change', () => onChange(reading, item));
  reading.addEventListener('page', ({ detail }) => onReadPage(reading, item, detail));
  app.readings.push(reading);
  app.items.set(reading, item);
  at('list').insertBefore(item, before);
  if (!app.current || !source.batch) showReading(reading);
  drawItem(reading, item);
  startNext();
  return reading;
}

function startNext() {
  const active = app.readings.filter((reading) => reading.isActive);
  const room = Math.max(AT_ONCE - active.filter((reading) => reading.began).length, 0);
  for (const reading of active.filter((one) => !one.began).slice(0, room)) reading.start().then(startNext);
}

// What is shown

function onChange(reading, item) {
  if (reading.source.batch && reading.problem?.isGone) return removeReading(reading, item);
  drawItem(reading, item);
  if (reading.problem?.status === 401) askForKey(reading);
  if (reading.state === 'failed') announce(`${reading.name}: ${wordsOf(reading.problem)}`);
  if (reading.state === 'done') announce(t('read', { name: reading.name }));
  if (reading === app.current) redrawSoon();
}

function onReadPage(reading, item, page) {
  drawItem(reading, item);
  if (reading !== app.current) return;
  app.viewer.addPage(page);
  if (!app.page || app.page === page.page) showPage(page.page);
  redrawSoon();
}

let redraw = null;
function redrawSoon() {
  redraw ??= setTimeout(() => {
    redraw = null;
    app.viewer.markStrip();
    app.viewer.drawNote();
    app.results.drawState();
  }, REDRAW_MS);
}

function drawItem(reading, item) {
  drawListHead();
  const { state, problem, pages, total } = reading;
  const isFailed = state === 'failed';
  const progress = { class: 'progress', max: total ?? 1, 'aria-label': reading.name };
  if (total !== null) progress.value = pages.size;
  item.dataset.state = state;
  item.classList.toggle('is-current', reading === app.current);
  item.replaceChildren(
    button(reading.name, () => showReading(reading), { class: 'name', dir: 'auto', title: reading.name }),
    element('span', { class: 'quiet' }, stateText(reading)),
    reading.isActive
      ? smallButton('cancel', reading, () => reading.cancel())
      : smallButton('remove', reading, () => removeReading(reading, item)),
    ...(reading.isActive && reading.began ? [element('progress', progress)] : []),
    ...(isFailed || (problem && reading.isActive) ? [element('p', { class: 'error' }, wordsOf(problem))] : []),
    ...(isFailed && reading.canRetry ? [button(t('again'), () => tryAgain(reading), { class: 'link' })] : []),
    ...(state === 'done' && reading.hasSource && reading === app.current
      ? [button(t('read_again'), () => addReading(reading.source), { class: 'link', title: t('read_again_note') })]
      : []));
}

function smallButton(action, { name }, run) {
  return button('✕', run, { class: 'small', title: t(action), 'aria-label': t(`${action}_n`, { name }) });
}

function stateText({ state, pages, total, readMs, status, jobId }) {
  if (state === 'reading') return t(jobId ? 'reading_job' : 'reading', { done: pages.size, total: total ?? '…' });
  if (state !== 'done') return t(`state_${state}`);
  const done = t('done', { pages: pages.size, seconds: (readMs / 1000).toFixed(1) });
  return status === 'ok' ? done : `${done} · ${t(`status_${status}`)}`;
}

function describe(reading) {
  return reading.problem ? wordsOf(reading.problem) : stateText(reading);
}

function tryAgain(reading) {
  reading.reset();
  startNext();
}

function removeReading(reading, item) {
  if (reading.batch) reading.cancel();
  reading.forget();
  app.readings = app.readings.filter((one) => one !== reading);
  item.remove();
  app.items.delete(reading);
  drawListHead();
  if (reading === app.current) showReading(app.readings.at(-1) ?? null);
}

function listRead() {
  return app.readings.filter(({ state }) => state === 'done');
}

function clearRead() {
  for (const reading of listRead()) removeReading(reading, app.items.get(reading));
}

function drawListHead() {
  at('list-head').hidden = !app.readings.length;
  at('clear').hidden = listRead().length < 2;
}

function showReading(reading) {
  app.current = reading;
  app.page = null;
  for (const name of ['page', 'split', 'results', 'views']) at(name).hidden = !reading;
  document.body.classList.toggle('is-empty', !reading);
  for (const [other, item] of app.items) drawItem(other, item);
  const first = reading ? Math.min(...reading.pages.keys()) : Infinity;
  showPage(Number.isFinite(first) ? first : null);
  app.results.drawState();
  if (reading) setView('page');
  if (reading) import('./split.js');
}

function showPage(number) {
  app.page = number;
  app.viewer.show(app.current, number);
  app.results.show(app.current, app.current?.pages.get(number) ?? null);
}

/** Shows a block on the page and in the text, whichever it was chosen in. */
function select(blockId, origin) {
  app.viewer.select(blockId, { scroll: origin !== 'page' });
  app.results.select(blockId, origin !== 'results');
}

function selectNext(by) {
  const blocks = [...(app.current?.pages.get(app.page)?.blocks ?? [])].sort((a, b) => a.order - b.order);
  const now = blocks.findIndex((block) => block.id === app.viewer.selected);
  const next = blocks[now < 0 ? (by > 0 ? 0 : blocks.length - 1) : now + by];
  if (next) select(next.id, 'keys');
}

function setView(name) {
  document.documentElement.dataset.view = name;
  for (const view of at('views').children) view.setAttribute('aria-pressed', view.dataset.view === name);
}

// Options, language, theme, key, errors

async function fillOptions() {
  const { optionsForm, chosenOptions, chooseOptions } = await import('./options.js');
  if (at('options-form').childElementCount) return;
  at('options-form').replaceChildren(...optionsForm(app.capabilities));
  app.chosen = () => chosenOptions(at('options-form'));
  app.choose = (chosen) => chooseOptions(at('options-form'), chosen);
}

async function changeLanguage(language) {
  localStorage.setItem('language', language);
  await setLanguage(language);
  showService();
  const { page, current } = app;
  app.viewer.build();
  app.results.build();
  if (at('options-form').childElementCount) {
    const chosen = app.chosen();
    at('options-form').replaceChildren();
    await fillOptions();
    app.choose(chosen);
  }
  app.readings.forEach((reading) => reading.dispatchEvent(new Event('change')));
  app.viewer.reading = null;
  if (current) showPage(page);
  translate(document);
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function switchTheme() {
  const isDark = getComputedStyle(document.documentElement).colorScheme === 'dark'
    || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  const theme = isDark ? 'light' : 'dark';
  localStorage.setItem('theme', theme);
  setTheme(theme);
}

function askForKey(reading = null) {
  at('key-reason').hidden = !reading;
  at('key-reason').textContent = reading ? wordsOf(reading.problem) : '';
  at('key-value').value = key.get();
  if (!at('key-dialog').open) at('key-dialog').showModal();
}

function saveKey(value) {
  key.set(value);
  at('key-value').value = '';
  at('key-dialog').close();
  if (value) app.readings.filter((one) => one.problem?.status === 401).forEach(tryAgain);
}

function wordsOf(problem) {
  if (problem.code === 'unreachable') return t('unreachable');
  // What the service says of keys is for programs, which send them by headers.
  if (problem.status === 401) return t(key.get() ? 'wrong_key' : 'error_unauthorized');
  const known = t(`error_${problem.code}`);
  return known === `error_${problem.code}` ? problem.message : `${known} ${problem.message}`;
}

function showError(problem) {
  if (problem.name === 'AbortError') return;
  at('drop-error').textContent = wordsOf(problem);
  at('drop-error').hidden = false;
}

begin();
