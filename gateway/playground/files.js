/** The document in all formats, and the request as a program. */

import { button, copy, element, saveFile, t } from './dom.js';
import { snippet } from './snippets.js';
import { jsonOf, markdownOf } from './sources.js';

/** What is here already needs no request. */
const LOCAL = { json: jsonOf, markdown: markdownOf };

export function draw_files({ reading, capabilities, actions }) {
  const isReady = reading?.state === 'done';
  const formats = capabilities.formats.map((format) => element('li', {},
    button(`.${format.suffix}`, (event) => download(reading, format, event.currentTarget, actions), {
      disabled: !isReady, 'aria-label': `${t('download')} ${format.name}`, 'data-format': format.name,
    }),
    element('span', {}, t(`format_${format.name}`))));
  const programs = ['curl', 'Python', 'JavaScript'].map((language) =>
    button(language, () => copy(snippet(language, reading)), { 'data-snippet': language }));
  const note = isReady ? (reading.jobId ? 'files_of_job' : 'files_read_again') : 'files_later';
  return [
    element('p', { class: 'quiet' }, t(note)),
    element('ul', { class: 'formats' }, formats),
    element('h2', {}, t('copy_request')),
    element('p', { class: 'row' }, programs),
  ];
}

async function download(reading, format, control, actions) {
  control.disabled = true;
  try {
    const write = LOCAL[format.name];
    const { blob, suffix } = write
      ? { blob: new Blob([write(reading)], { type: format.media_type }), suffix: format.suffix }
      : await reading.download(format);
    saveFile(blob, `${reading.baseName}.${suffix}`);
  } catch (problem) {
    actions.tell(problem);
  } finally {
    control.disabled = false;
  }
}
