/** What was read: tabs of the page's text block by block, and of what is made of the document. */

import { button, copy, element, safeNodes, t } from './dom.js';

/** Tabs, each with the module that draws it when it is opened first; the text is drawn here. */
const TABS = {
  text: null,
  markdown: './sources.js',
  json: './sources.js',
  tables: './tables.js',
  files: './files.js',
  report: './report.js',
};
const GROWING = ['tables', 'report'];

export class Results {
  /**
   * `actions`: `select(blockId)`, `showPage(number)`, `showUnread()`, `readAgain(reading, options)`, `tell(problem)`.
   * `kinds`: label to its kind; `hidden`: labels that Markdown leaves out.
   */
  constructor(root, { kinds, hidden, capabilities, actions, describe }) {
    Object.assign(this, { root, kinds, hidden, capabilities, actions, describe });
    this.tab = 'text';
    this.reading = null;
    this.page = null;
    this.selected = null;
    this.build();
  }

  build() {
    this.tabs = Object.keys(TABS).map((name, at) => button(t(`tab_${name}`), () => this.open(name), {
      role: 'tab', id: `tab-${name}`, 'data-tab': name, 'aria-controls': 'panel',
      keydown: (event) => this.onTabKey(event, at),
    }));
    this.panel = element('div', { id: 'panel', class: 'panel', role: 'tabpanel', tabindex: '0' });
    this.state = element('div', { class: 'state' });
    const list = element('div', { class: 'tabs', role: 'tablist', 'aria-label': t('views') }, this.tabs);
    this.root.replaceChildren(list, this.state, this.panel);
    this.open(this.tab);
  }

  onTabKey(event, at) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = this.tabs.at((at + by) % this.tabs.length);
    next.focus();
    next.click();
  }

  show(reading, page) {
    for (const [key, picture] of this.page?.pictures ?? []) if (key !== this.page.image) picture.close();
    Object.assign(this, { reading, page, selected: null });
    this.draw();
    this.panel.scrollTop = 0;
  }

  open(name) {
    this.tab = name;
    for (const tab of this.tabs) {
      const isOpen = tab.dataset.tab === name;
      tab.setAttribute('aria-selected', isOpen);
      tab.tabIndex = isOpen ? 0 : -1;
    }
    this.panel.setAttribute('aria-labelledby', `tab-${name}`);
    this.draw();
  }

  /** What is said of the document as a whole, which changes while it is read. */
  drawState() {
    const { reading } = this;
    const count = reading?.warnings.length ?? 0;
    this.tabs.at(-1).dataset.count = count || '';
    const isOdd = count > 0 && ['partial', 'failed'].includes(reading.status);
    const more = button(t('show'), () => this.open('report'), { class: 'link' });
    const banner = element('p', { class: 'banner' }, t('partial', { count }), ' ', more);
    this.state.replaceChildren(...(isOdd ? [banner] : []));
    if (GROWING.includes(this.tab) || (this.tab === 'text' && !this.page)) this.draw();
  }

  async draw() {
    const { tab } = this;
    const drawn = TABS[tab] && (await import(TABS[tab]));
    if (tab !== this.tab) return;
    const nodes = drawn ? drawn[`draw_${tab}`](this) : this.drawText();
    this.panel.replaceChildren(...(this.reading ? nodes : []));
    this.panel.dataset.tab = tab;
    this.mark(false);
  }

  drawText() {
    if (!this.page) {
      const { reading } = this;
      const isRead = reading?.isActive && reading.began && !reading.problem;
      return [element('p', { class: 'quiet' }, !reading || isRead ? t('no_page_yet') : this.describe(reading))];
    }
    const { blocks, warnings } = this.page;
    if (!blocks.length) return [element('p', { class: 'quiet' }, warnings.join('\n') || t('empty_page'))];
    return [...blocks].sort((a, b) => a.order - b.order).map((block) => this.drawBlock(block));
  }

  drawBlock(block) {
    const choose = (event) => {
      event.stopPropagation();
      this.actions.select(block.id);
    };
    const marks = [
      `k-${this.kinds.get(block.label) ?? 'text'}`, `s-${block.status}`,
      block.html || block.error ? '' : 'is-skipped', this.hidden.has(block.label) ? 'is-left-out' : '',
    ];
    const label = t('block_n', { order: block.order, label: block.label });
    const pressed = { 'aria-label': label, 'aria-pressed': 'false' };
    const number = button(String(block.order), choose, { class: 'number', ...pressed });
    const inner = element('div', { class: 'inner' }, this.drawContent(block), drawDetails(block));
    // Text that is being marked to be copied is no click on a block.
    const onClick = (event) => getSelection().isCollapsed && choose(event);
    return element('article', { class: `block ${marks.join(' ')}`, 'data-id': block.id, click: onClick }, number, inner);
  }

  drawContent(block) {
    const body = element('div', { class: 'content', dir: 'auto' });
    if (block.html) body.append(safeNodes(block.html, (key) => this.page.pictures.get(key)?.open() ?? null));
    else body.append(element('p', { class: 'quiet' }, block.error ?? this.reasonFor(block)));
    return body;
  }

  reasonFor(block) {
    if (block.continues) return t('continues', { id: block.continues });
    if (block.group_id && block.group_id !== block.id) return t('grouped', { id: block.group_id });
    return this.kinds.get(block.label) === 'picture' ? t('picture_not_read') : t('no_text');
  }

  select(blockId, scroll = true) {
    this.selected = blockId;
    if (this.tab === 'json') this.draw();
    this.mark(scroll);
  }

  mark(scroll) {
    for (const node of this.panel.querySelectorAll('.block')) {
      const isSelected = node.dataset.id === this.selected;
      node.classList.toggle('is-selected', isSelected);
      node.querySelector('.number').setAttribute('aria-pressed', isSelected);
      if (isSelected && scroll) node.scrollIntoView({ block: 'nearest' });
    }
  }
}

/** Why the block reads as it does. */
function drawDetails(block) {
  const told = [
    block.label,
    block.content ? t(`source_${block.source}`) : null,
    block.confidence === null ? null : t('confidence', { percent: Math.round(block.confidence * 100) }),
    block.status === 'ok' ? null : t(`status_${block.status}`),
    block.html ? block.error : null,
  ];
  const copyText = (event) => {
    event.stopPropagation();
    copy(block.content);
  };
  return element('p', { class: 'details' },
    told.filter(Boolean).map((text) => element('span', {}, text)),
    block.content ? button(t('copy'), copyText, { class: 'link' }) : null);
}
