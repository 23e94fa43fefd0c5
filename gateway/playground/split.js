/** The bar between page and text, by which they share the width. */

const MIN_SHARE = 0.2;
const MAX_SHARE = 0.8;
const STEP = 0.03;
const [bar, page, text, work] = ['split', 'page', 'results', 'work'].map((id) => document.getElementById(id));

bar.addEventListener('pointerdown', (event) => {
  bar.setPointerCapture(event.pointerId);
  const move = ({ clientX }) => setShare((clientX - page.getBoundingClientRect().left) / width());
  bar.addEventListener('pointermove', move);
  bar.addEventListener('pointerup', () => bar.removeEventListener('pointermove', move), { once: true });
});

bar.addEventListener('keydown', (event) => {
  const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
  if (by) setShare(page.clientWidth / width() + by);
});

function width() {
  return page.clientWidth + text.clientWidth;
}

/** `share` of the width is the page's, the rest the text's. */
function setShare(share) {
  const percent = Math.round(100 * Math.min(Math.max(share, MIN_SHARE), MAX_SHARE));
  bar.setAttribute('aria-valuenow', percent);
  work.style.setProperty('--page', `${percent}fr`);
  work.style.setProperty('--text-width', `${100 - percent}fr`);
}
