/** The page's picture with its boxes, its layers, and the strip of all pages. */

import { button, element, svg, t } from './dom.js';

const UNSURE_BELOW = 0.85;
const THUMBNAIL_WIDTH = 160;
const ZOOMS = [0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4];
const PLACE = /\((\d+), (\d+), (\d+), (\d+)\) of (\d+)x(\d+)/g;
export const LAYERS = ['boxes', 'order', 'lines', 'words', 'unsure', 'unread'];

export class Viewer {
  /**
   * `onSelect(blockId)` and `onPage(number)` are called for what the reader chooses here; `describe(reading)` says how far
   * a document is of which there is no page to show.
   */
  constructor(root, { kinds, onSelect, onPage, describe }) {
    Object.assign(this, { root, kinds, onSelect, onPage, describe });
    this.layers = new Set(['boxes']);
    this.zoom = null;
    this.turn = 0;
    this.reading = null;
    this.page = null;
    this.selected = null;
    this.shown = new IntersectionObserver((entries) => entries.forEach(showThumbnail), { rootMargin: '300px' });
    this.sized = new ResizeObserver(() => this.place());
    this.build();
  }

  build() {
    this.painted = null;
    this.strip = element('ol', { class: 'strip', 'aria-label': t('pages'), tabindex: '0' });
    this.picture = element('canvas', { class: 'picture', role: 'img', 'aria-label': t('page_picture') });
    this.boxes = svg('svg', { class: 'boxes', role: 'group' });
    this.stage = element('div', { class: 'stage' }, this.picture, this.boxes);
    this.room = element('div', { class: 'room' }, this.stage);
    this.note = element('p', { class: 'note', hidden: true });
    this.viewport = element('div', { class: 'viewport', tabindex: '0', role: 'region', 'aria-label': t('page_picture'),
      wheel: (event) => this.onWheel(event) }, this.note, this.room);
    this.sized.disconnect();
    this.sized.observe(this.viewport);
    this.where = element('span', { class: 'where' });
    this.legend = element('ul', { class: 'legend' });
    this.root.replaceChildren(this.toolbar(), this.strip, this.viewport, this.legend);
  }

  toolbar() {
    const act = (sign, label, run) => button(sign, run, { 'aria-label': t(label), title: t(label) });
    const layers = LAYERS.map((name) => element('label', {},
      element('input', { type: 'checkbox', name, checked: this.layers.has(name),
        change: (event) => this.setLayer(name, event.target.checked) }), t(`layer_${name}`)));
    this.zoomText = element('span', { class: 'zoom' });
    return element('div', { class: 'toolbar', role: 'toolbar', 'aria-label': t('page') },
      act('‹', 'previous_page', () => this.step(-1)), this.where, act('›', 'next_page', () => this.step(1)),
      element('span', { class: 'gap' }),
      act('−', 'zoom_out', () => this.zoomBy(-1)), this.zoomText, act('+', 'zoom_in', () => this.zoomBy(1)),
      act('⤢', 'fit', () => this.setZoom(null)), act('↻', 'rotate', () => this.rotate()),
      element('details', { class: 'menu' },
        element('summary', {}, t('layers')), element('div', { class: 'menu-body' }, layers)));
  }

  setLayer(name, isOn) {
    this.layers[isOn ? 'add' : 'delete'](name);
    for (const input of this.root.querySelectorAll(`input[name="${name}"]`)) input.checked = isOn;
    this.draw();
  }

  show(reading, number) {
    const isOther = reading !== this.reading;
    this.reading = reading;
    if (isOther) this.turn = 0;
    this.page = reading?.pages.get(number) ?? null;
    this.selected = null;
    if (isOther) this.buildStrip();
    this.markStrip();
    this.draw();
  }

  addPage(page) {
    const following = [...this.strip.children].find((item) => Number(item.dataset.page) > page.page);
    const same = this.strip.querySelector(`[data-page="${page.page}"]`);
    const item = this.thumbnail(page);
    same ? same.replaceWith(item) : this.strip.insertBefore(item, following ?? null);
    this.strip.hidden = this.strip.children.length < 2;
    this.markStrip();
  }

  buildStrip() {
    this.shown.disconnect();
    this.strip.replaceChildren();
    this.strip.hidden = true;
    for (const page of [...(this.reading?.pages.values() ?? [])].sort((a, b) => a.page - b.page)) this.addPage(page);
  }

  thumbnail(page) {
    const label = t('page_n', { number: page.page });
    const picture = element('canvas', { class: 'thumbnail', 'aria-hidden': 'true' });
    picture.page = page;
    const ratio = page.width ? page.height / page.width : 1.4;
    picture.style.aspectRatio = `1 / ${Math.min(ratio, 4)}`;
    this.shown.observe(picture);
    const isOdd = page.status !== 'ok';
    return element('li', { 'data-page': page.page },
      button([picture, element('span', {}, String(page.page)), isOdd ? element('span', { class: 'odd' }, '!') : null],
        () => this.onPage(page.page), { 'aria-label': isOdd ? `${label}: ${t(`status_${page.status}`)}` : label }));
  }

  markStrip() {
    for (const item of this.strip.children) {
      const isCurrent = Number(item.dataset.page) === this.page?.page;
      item.firstChild.toggleAttribute('aria-current', isCurrent);
      if (isCurrent) item.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
    const total = this.reading?.total ?? this.reading?.pages.size ?? 0;
    this.where.textContent = this.page ? `${this.page.page} / ${total}` : '';
  }

  step(by) {
    const numbers = [...(this.reading?.pages.keys() ?? [])].sort((a, b) => a - b);
    const next = numbers[numbers.indexOf(this.page?.page) + by];
    if (next !== undefined) this.onPage(next);
  }

  draw() {
    const page = this.page;
    this.drawNote();
    this.room.hidden = !page?.width;
    this.zoomText.textContent = '';
    this.boxes.replaceChildren();
    this.drawLegend();
    if (!page?.width) return;
    this.paint(page);
    this.boxes.setAttribute('viewBox', `0 0 ${page.width} ${page.height}`);
    this.boxes.setAttribute('aria-label', t('blocks'));
    this.boxes.append(...this.drawLayers(page).filter(Boolean));
    this.place();
    this.mark();
  }

  /** What stands in a picture's place. */
  drawNote() {
    const { page, reading } = this;
    this.note.hidden = Boolean(page?.width);
    this.note.textContent = page ? page.warnings.join('\n') : reading ? this.describe(reading) : '';
  }

  /** The page's picture, once it is there and if the page is still wanted. */
  async paint(page) {
    if (this.painted === page) return;
    this.painted = page;
    delete this.picture.dataset.page;
    this.picture.setAttribute('aria-label', t('page_n', { number: page.page }));
    await paintPicture(this.picture, page, () => this.painted === page);
  }

  drawLayers(page) {
    const on = (name) => this.layers.has(name);
    const lines = page.blocks.flatMap((block) => block.lines ?? []);
    const unsure = (one) => one.confidence !== null && one.confidence < UNSURE_BELOW;
    return [
      ...(on('boxes') ? page.blocks.map((block) => this.box(block)) : []),
      ...(on('lines') ? lines.map((line) => rect(line.bbox, 'line')) : []),
      ...(on('words') ? lines.flatMap((line) => line.words).map((word) => rect(word.bbox, 'word')) : []),
      ...(on('unsure') ? [...page.blocks.filter(unsure), ...lines.filter(unsure),
        ...lines.flatMap((line) => line.words).filter(unsure)].map((one) => rect(one.bbox, 'unsure')) : []),
      ...(on('unread') ? placesOf(page.warnings).map((bbox) => rect(bbox, 'unread')) : []),
      ...(on('order') ? readingOrder(page) : []),
    ];
  }

  box(block) {
    const [x1, y1, x2, y2] = block.bbox;
    const shape = block.polygon
      ? svg('polygon', { points: block.polygon.map((corner) => corner.join(',')).join(' ') })
      : svg('rect', { x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
    const label = `${block.order}. ${block.label}`;
    const select = (event) => {
      if (event.type === 'keydown' && event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      this.onSelect(block.id);
    };
    return svg('g', {
      class: `box k-${this.kinds.get(block.label) ?? 'text'} s-${block.status}`, 'data-id': block.id,
      role: 'button', tabindex: '-1', 'aria-label': label, click: select, keydown: select,
    }, shape, svg('title', {}, label));
  }

  drawLegend() {
    const counts = new Map();
    for (const { label } of this.page?.blocks ?? []) counts.set(label, (counts.get(label) ?? 0) + 1);
    this.legend.replaceChildren(...[...counts].map(([label, count]) => element('li',
      { class: `k-${this.kinds.get(label) ?? 'text'}` }, count > 1 ? `${label} × ${count}` : label)));
  }

  /** Marks the block on the picture and brings it into view. */
  select(blockId, { scroll = true } = {}) {
    this.selected = blockId;
    this.mark();
    if (scroll) this.boxes.querySelector('.is-selected')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }

  mark() {
    const boxes = [...this.boxes.querySelectorAll('.box')];
    for (const box of boxes) box.classList.toggle('is-selected', box.dataset.id === this.selected);
    const first = boxes.find((box) => box.dataset.id === this.selected) ?? boxes[0];
    for (const box of boxes) box.setAttribute('tabindex', box === first ? '0' : '-1');
  }

  setZoom(zoom) {
    this.zoom = zoom;
    this.place();
  }

  zoomBy(steps) {
    if (!this.page?.width) return;
    const now = this.scale();
    const next = steps > 0 ? ZOOMS.find((zoom) => zoom > now * 1.05) : ZOOMS.findLast((zoom) => zoom < now / 1.05);
    this.setZoom(next ?? ZOOMS.at(steps > 0 ? -1 : 0));
  }

  onWheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoomBy(event.deltaY < 0 ? 1 : -1);
  }

  rotate() {
    this.turn = (this.turn + 90) % 360;
    this.place();
  }

  /** Screen pixels for one of the page. */
  scale() {
    const { width, height } = this.page;
    const [across, down] = this.turn % 180 ? [height, width] : [width, height];
    return this.zoom ?? Math.min((this.viewport.clientWidth - 24) / across, (this.viewport.clientHeight - 24) / down);
  }

  place() {
    if (!this.page?.width) return;
    const scale = Math.max(this.scale(), 0.01);
    const [width, height] = [this.page.width * scale, this.page.height * scale];
    const [across, down] = this.turn % 180 ? [height, width] : [width, height];
    const transform = `translate(-50%, -50%) rotate(${this.turn}deg)`;
    Object.assign(this.room.style, { width: `${across}px`, height: `${down}px` });
    Object.assign(this.stage.style, { width: `${width}px`, height: `${height}px`, transform });
    this.zoomText.textContent = `${Math.round(scale * 100)} %`;
  }
}

/** A thumbnail is painted when it is seen first. */
function showThumbnail({ target, isIntersecting }) {
  if (!isIntersecting || target.isAsked) return;
  target.isAsked = true;
  paintPicture(target, target.page, () => target.isConnected, THUMBNAIL_WIDTH);
}

/**
 * Paints the page's picture. A bitmap is freed with its canvas, where pictures of an `img` would stay in a cache of
 * hundreds of megabytes.
 */
async function paintPicture(canvas, page, isWanted, width = undefined) {
  const picture = page.pictures.get(page.image);
  if (!picture) return;
  try {
    const size = width ? { resizeWidth: width, resizeQuality: 'medium' } : {};
    const bitmap = await createImageBitmap(await picture.load(), size);
    if (!isWanted()) return bitmap.close();
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
    canvas.getContext('bitmaprenderer').transferFromImageBitmap(bitmap);
    canvas.dataset.page = page.page;
  } catch {
    // Its boxes and its text are there all the same: the job may be gone, or the network.
  }
}

function rect([x1, y1, x2, y2], name) {
  return svg('rect', { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: name });
}

/** Boxes that the page's warnings name. */
export function placesOf(warnings) {
  return warnings.flatMap((warning) => [...warning.matchAll(PLACE)].map((match) => match.slice(1, 5).map(Number)));
}

function readingOrder(page) {
  const middles = [...page.blocks].sort((a, b) => a.order - b.order).map(({ bbox, order }) =>
    ({ x: (bbox[0] + bbox[2]) / 2, y: (bbox[1] + bbox[3]) / 2, order }));
  const radius = Math.max(page.width, page.height) / 75;
  return [
    svg('polyline', { class: 'order-path', points: middles.map(({ x, y }) => `${x},${y}`).join(' ') }),
    ...middles.map(({ x, y, order }) => svg('g', { class: 'order' },
      svg('circle', { cx: x, cy: y, r: radius }),
      svg('text', { x, y, 'font-size': radius * 1.1 }, String(order)))),
  ];
}
