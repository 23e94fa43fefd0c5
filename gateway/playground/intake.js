/** How documents come in: chosen, dropped, pasted, named by their addresses, photographed. */

import { Problem } from './api.js';
import { t } from './dom.js';

const at = (id) => document.getElementById(id);

/**
 * Listens to all of them. `onSources` gets those that came together, `{file, name}` or `{url, name}`, `onProblem` what
 * can't be taken.
 * @param {number} maxBytes of a file
 */
export function listenForDocuments({ maxBytes, onSources, onProblem }) {
  function addFiles(files) {
    const taken = [...files].filter((file) => file.size <= maxBytes);
    onSources(taken.map((file) => ({ file, name: file.name || 'document' })));
    for (const file of files) if (file.size > maxBytes) onProblem(tooLarge(file, maxBytes));
  }

  function addTransferred(data) {
    listFiles(data).then((files) => (files.length ? addFiles(files) : onProblem(emptyFolder()))).catch(onProblem);
  }

  function addUrl(url) {
    if (url) onSources([{ url, name: nameOfUrl(url) }]);
  }

  at('choose').addEventListener('click', () => at('chooser').click());
  for (const name of ['chooser', 'photographer']) {
    at(name).addEventListener('change', ({ target }) => {
      addFiles(target.files);
      target.value = '';
    });
  }
  at('url-form').addEventListener('submit', (event) => {
    event.preventDefault();
    addUrl(at('url').value.trim());
    at('url').value = '';
  });
  at('camera').addEventListener('click', async () => {
    // Browsers give the camera to pages of https and of this machine only; a phone has an app for the others.
    if (!navigator.mediaDevices) return at('photographer').click();
    const photo = await photograph(onProblem);
    if (photo) addFiles([photo]);
  });
  document.addEventListener('paste', (event) => {
    if (event.target.closest('input, textarea, dialog')) return;
    const text = event.clipboardData.getData('text').trim();
    if (event.clipboardData.files.length) addTransferred(event.clipboardData);
    else if (/^https?:\/\/\S+$/.test(text)) addUrl(text);
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    document.body.dataset.dragging = '';
  });
  document.addEventListener('dragleave', (event) => event.relatedTarget ?? delete document.body.dataset.dragging);
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    delete document.body.dataset.dragging;
    const links = event.dataTransfer.getData('text/uri-list').split('\n');
    if (event.dataTransfer.files.length) addTransferred(event.dataTransfer);
    else addUrl(links.find((line) => line && !line.startsWith('#'))?.trim());
  });
}

/** The files that were dropped or pasted, and those documents in their folders that are not hidden. */
async function listFiles(data) {
  const files = [...data.files];
  // Files and entries are there only while the event is handled.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return files;
  const found = await Promise.all(entries.map((entry) => (entry.isDirectory ? listFolder(entry) : fileOf(entry))));
  return found.flat();
}

async function listFolder(folder) {
  const reader = folder.createReader();
  const entries = [];
  // A call gives a hundred entries at most; none of them is the end.
  for (;;) {
    const more = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!more.length) break;
    entries.push(...more);
  }
  const shown = entries.filter(({ name }) => !name.startsWith('.'));
  shown.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const files = [];
  for (const entry of shown) {
    const found = await (entry.isDirectory ? listFolder(entry) : fileOf(entry));
    if (entry.isDirectory) files.push(...found);
    else if (isDocument(found)) files.push(found);
  }
  return files;
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function isDocument({ name, type }) {
  const kinds = at('chooser').accept.split(',');
  return kinds.some((kind) => kind === type || (kind.startsWith('.') && name.toLowerCase().endsWith(kind)));
}

function emptyFolder() {
  return new Problem({ code: 'empty_folder', detail: t('empty_folder') });
}

function tooLarge({ name }, maxBytes) {
  return new Problem({ code: 'body_too_large', detail: t('too_large', { name, mb: maxBytes / 1e6 }) });
}

async function photograph(onProblem) {
  try {
    const { takePhoto } = await import('./camera.js');
    return await takePhoto();
  } catch {
    onProblem(new Problem({ code: 'no_camera', detail: t('no_camera') }));
    return null;
  }
}

function nameOfUrl(url) {
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  try {
    return decodeURIComponent(path.split('/').at(-1)) || url;
  } catch {
    return url;
  }
}
