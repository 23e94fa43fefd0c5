/** How the reading went: warnings with their places and remedies, times, tokens, engine. */

import { button, element, hasText, t } from './dom.js';
import { placesOf } from './viewer.js';

export function draw_report(results) {
  const { reading } = results;
  if (!reading) return [];
  const facts = factsOf(reading).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return [
    element('h2', {}, t('warnings')),
    reading.warnings.length
      ? element('ul', { class: 'warnings' }, reading.warnings.map((warning) => drawWarning(results, warning)))
      : element('p', { class: 'quiet' }, t('no_warnings')),
    element('h2', {}, t('facts')),
    element('dl', { class: 'facts' }, facts.flatMap(([name, value]) =>
      [element('dt', {}, t(`fact_${name}`)), element('dd', {}, String(value))])),
  ];
}

function factsOf(reading) {
  const { usage, timings, status } = reading.summary ?? {};
  return [
    ['status', t(status ? `status_${status}` : `state_${reading.state}`)],
    ['pages', `${reading.pages.size} / ${reading.total ?? '…'}`],
    ['blocks', reading.sortedPages().reduce((sum, page) => sum + page.blocks.length, 0)],
    ['engine', reading.meta.engine && `${reading.meta.engine}, ${reading.meta.model}`],
    ['from_text_layer', shareOfTextLayer(reading)],
    ['first_page', seconds(reading.firstPageMs)],
    ['time_total', seconds(timings?.total_ms)],
    ['time_intake', seconds(timings?.intake_ms)],
    ['time_layout', seconds(timings?.layout_ms)],
    ['time_recognition', seconds(timings?.recognition_ms)],
    ['regions', usage?.regions],
    ['tokens', usage && `${usage.prompt_tokens} + ${usage.completion_tokens}`],
    ['job', reading.jobId],
    ['sha256', reading.meta.document?.sha256],
  ];
}

function seconds(ms) {
  if (ms === null || ms === undefined) return null;
  return t('seconds', { seconds: (ms / 1000).toFixed(ms < 10_000 ? 2 : 1) });
}

function shareOfTextLayer(reading) {
  const blocks = reading.sortedPages().flatMap((page) => page.blocks.filter((block) => block.content));
  return blocks.length ? `${blocks.filter((block) => block.source === 'text_layer').length} / ${blocks.length}` : null;
}

function drawWarning({ reading, capabilities, actions }, text) {
  const page = Number(/^page (\d+):/.exec(text)?.[1]);
  const show = () => {
    actions.showPage(page);
    actions.select(/\bblock (p\d+-b\d+)/.exec(text)?.[1] ?? null);
    if (placesOf([text]).length) actions.showUnread();
  };
  const remedy = reading.hasSource && remedyIn(text, capabilities);
  const again = () => actions.readAgain(reading, { [remedy]: 'true' });
  return element('li', {}, text, element('span', { class: 'row' },
    reading.pages.has(page)
      ? button(t('show'), show, { class: 'link', 'aria-label': `${t('show')}: ${text.slice(0, 60)}` })
      : null,
    remedy ? button(t('again_with', { option: t(`option_${remedy}`) }), again, { class: 'link' }) : null));
}

/** The option that the warning names as its remedy, where it is one to switch on. */
function remedyIn(text, capabilities) {
  const named = [...text.matchAll(/`(\w+)`/g)].map((match) => match[1]);
  const flags = capabilities.options.filter(({ schema }) => schema.type === 'boolean').map(({ name }) => name);
  return named.find((name) => flags.includes(name) && hasText(`option_${name}`));
}
