/** All tables of the document, to be copied as CSV. */

import { button, copy, element, safeNodes, saveFile, t } from './dom.js';

export function draw_tables({ reading, actions }) {
  const found = reading?.sortedPages().flatMap((page) => page.blocks
    .filter((block) => block.html?.includes('<table')).map((block) => drawTable(reading, page, block, actions)));
  return found?.length ? found : [element('p', { class: 'quiet' }, t('no_tables'))];
}

function drawTable(reading, page, block, actions) {
  const body = element('div', { class: 'content', dir: 'auto' }, safeNodes(block.html, () => null));
  const csv = () => tableToCsv(body.querySelector('table'));
  const show = () => {
    actions.showPage(page.page);
    actions.select(block.id);
  };
  // Spreadsheets take the file for UTF-8 by its byte order mark.
  const save = () => saveFile(new Blob(['\ufeff', csv()], { type: 'text/csv' }), `${reading.baseName}-${block.id}.csv`);
  return element('section', { class: 'table' },
    element('div', { class: 'row' },
      button(t('page_n', { number: page.page }), show, { class: 'link' }),
      button(t('copy_csv'), () => copy(csv())),
      button(t('save_csv'), save)),
    body);
}

/** RFC 4180; a joined cell is followed by empty ones. */
function tableToCsv(table) {
  const grid = [];
  [...table.rows].forEach((row, at) => {
    let column = 0;
    for (const cell of row.cells) {
      while (grid[at]?.[column] !== undefined) column += 1;
      for (let down = 0; down < cell.rowSpan; down += 1) {
        grid[at + down] ??= [];
        for (let across = 0; across < cell.colSpan; across += 1) grid[at + down][column + across] = '';
      }
      grid[at][column] = cell.textContent.trim();
      column += cell.colSpan;
    }
  });
  const quote = (text = '') => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return grid.map((row) => Array.from(row, quote).join(',')).join('\r\n') + '\r\n';
}
