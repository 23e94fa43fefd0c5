/** What keys do where nothing is being written. */

import { element, t } from './dom.js';

const KEYS = [
  ['j', 'k', 'key_blocks'], ['n', 'p', 'key_pages'], ['+', '-', 'key_zoom'], ['0', 'fit'], ['r', 'rotate'],
  ['o', 'layer_order'], ['w', 'layer_words'], ['u', 'layer_unsure'], ['1–6', 'key_tabs'], ['Esc', 'key_clear'],
  ['?', 'help'],
];

export function keysHelp() {
  return KEYS.flatMap((row) => [
    element('dt', {}, row.slice(0, -1).map((name) => element('kbd', {}, name))), element('dd', {}, t(row.at(-1)))]);
}

export function onKey(event, commands) {
  const isTyping = event.target.closest?.('input:not([type=checkbox]), select, textarea, dialog');
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const run = {
    j: () => commands.block(1), k: () => commands.block(-1), n: () => commands.page(1), p: () => commands.page(-1),
    '+': () => commands.zoom(1), '=': () => commands.zoom(1), '-': () => commands.zoom(-1), 0: () => commands.fit(),
    r: () => commands.rotate(),
    o: () => commands.layer('order'), w: () => commands.layer('words'), u: () => commands.layer('unsure'),
    Escape: () => commands.clear(), '?': () => commands.help(),
  }[event.key];
  if (run) run();
  else if (/^[1-6]$/.test(event.key)) commands.tab(Number(event.key));
}
