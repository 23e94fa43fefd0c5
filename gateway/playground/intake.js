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
    if (event.clipboardData.files.length) addFiles(event.clipboardData.files);
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
    if (event.dataTransfer.files.length) addFiles(event.dataTransfer.files);
    else addUrl(links.find((line) => line && !line.startsWith('#'))?.trim());
  });
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
