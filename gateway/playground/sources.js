/** Markdown and JSON, of the page and of the whole document. */

import { button, copy, element, t } from './dom.js';

const MAX_SHOWN = 300_000;

export function draw_markdown({ reading, page }) {
  const markdown = page?.markdown ?? '';
  return [
    element('div', { class: 'row' },
      button(t('copy_page'), () => copy(markdown), { class: 'primary' }),
      button(t('copy_document'), () => copy(markdownOf(reading)))),
    element('pre', { class: 'source', dir: 'auto', tabindex: '0' }, markdown),
  ];
}

export function draw_json({ reading, page, selected, actions }) {
  const block = page?.blocks.find((one) => one.id === selected);
  const json = writeJson(block ?? (page && withoutPictures(page)));
  const shown = json.length > MAX_SHOWN ? `${json.slice(0, MAX_SHOWN)}\n…` : json;
  return [
    element('div', { class: 'row' },
      button(t(block ? 'copy_block' : 'copy_page'), () => copy(json), { class: 'primary' }),
      button(t('copy_document'), () => copy(jsonOf(reading))),
      block
        ? button(t('whole_page'), () => actions.select(null))
        : element('span', { class: 'quiet' }, t('json_note'))),
    element('pre', { class: 'source', tabindex: '0' }, shown),
  ];
}

export function markdownOf(reading) {
  return reading.sortedPages().map((page) => page.markdown).filter(Boolean).join('\n\n');
}

/** All of the document as `POST /ocr` would have answered it, but for the pictures. */
export function jsonOf(reading) {
  return writeJson({ ...reading.meta, pages: reading.sortedPages().map(withoutPictures), ...reading.summary });
}

function withoutPictures({ pictures, ...page }) {
  return page;
}

/** Indented, with boxes on one line each. Line breaks inside of strings are escaped, so that they stay as they are. */
function writeJson(value) {
  const joined = (_, numbers) => `[${numbers.trim().split(/,\s*/).join(', ')}]`;
  return JSON.stringify(value ?? null, null, 2).replace(/\[\n\s+(-?[\d.,\s-]+)\]/g, joined);
}
