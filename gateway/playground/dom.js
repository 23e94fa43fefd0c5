/** Elements, texts in the reader's language, and HTML of the service that is safe to show. */

import english from './texts-en.js';

const SVG = 'http://www.w3.org/2000/svg';
const MATHML = 'http://www.w3.org/1998/Math/MathML';
const HTML_TAGS = new Set(
  'br code div img li ol p pre section ul h1 h2 h3 h4 h5 h6 table thead tbody tr td th'.split(' '));
const MATHML_TAGS = new Set(
  ('math mrow mi mn mo mtext mspace mstyle mpadded mphantom menclose mfrac msqrt mroot msub msup msubsup munder mover ' +
   'munderover mtable mtr mtd mlabeledtr').split(' '));
const MATHML_ATTRIBUTES = new Set(
  ('accent accentunder columnalign columnspacing display displaystyle fence form height linethickness lspace ' +
   'mathvariant maxsize minsize movablelimits rowspacing rspace scriptlevel separator stretchy width').split(' '));
const policy = globalThis.trustedTypes?.createPolicy('playground', { createHTML: (text) => text });

let texts = english;
export const languages = ['en', 'ru', 'zh'];

/** The text of `name`, with `{places}` filled in; `name` itself where there is none. */
export function t(name, values = {}) {
  const text = texts[name] ?? english[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (place, key) => values[key] ?? place);
}

/**
 * A file's name as it may be shown. Signs that are not seen themselves (U+202E turns what follows, so that "fdp.exe" looks
 * like "exe.pdf") are seen; those that join letters or keep them apart belong to words.
 */
export function visibleName(name) {
  return name.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\u200b\u2060\ufeff]/gu, '\ufffd');
}

export function hasText(name) {
  return name in english || name in texts;
}

export async function setLanguage(language) {
  texts = language === 'en' ? english : (await import(`./texts-${language}.js`)).default;
  document.documentElement.lang = language;
  translate(document);
}

/** Fills in the texts of elements with `data-t` (content), `data-t-label` and `data-t-title`. */
export function translate(root) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  for (const node of root.querySelectorAll('[data-t-title]')) node.title = t(node.dataset.tTitle);
}

/** An HTML element; `properties` are attributes, or listeners where they are functions. Null children are left out. */
export function element(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(node, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === 'function') node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function button(text, onClick, properties = {}) {
  return element('button', { type: 'button', click: onClick, ...properties }, text);
}

/** Tells screen readers. */
export function announce(text) {
  document.getElementById('live').textContent = text;
}

export async function copy(text) {
  // Browsers give the clipboard to pages of https and of this machine only.
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else copyByHand(text);
  announce(t('copied'));
}

function copyByHand(text) {
  const area = element('textarea', { class: 'unseen', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

export function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  element('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * HTML of the service as nodes. The service has made it safe; a second look costs little: only known tags and
 * attributes are copied, all else is text.
 * @param {string} html
 * @param {(key: string) => string | null} pictureOf the URL of a picture by its key
 */
export function safeNodes(html, pictureOf) {
  const parsed = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, 'text/html');
  const nodes = document.createDocumentFragment();
  for (const child of parsed.body.childNodes) nodes.append(copyNode(child, pictureOf));
  return nodes;
}

function copyNode(node, pictureOf) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
  if (node.nodeType !== Node.ELEMENT_NODE) return '';
  const name = node.localName;
  const isMath = node.namespaceURI === MATHML && MATHML_TAGS.has(name);
  if (!isMath && !HTML_TAGS.has(name)) return document.createTextNode(node.textContent);
  const made = isMath ? document.createElementNS(MATHML, name) : document.createElement(name);
  if (isMath) {
    for (const { name: key, value } of node.attributes) if (MATHML_ATTRIBUTES.has(key)) made.setAttribute(key, value);
  } else {
    copyAttributes(node, made, pictureOf);
  }
  for (const child of node.childNodes) made.append(copyNode(child, pictureOf));
  return made;
}

function copyAttributes(from, to, pictureOf) {
  for (const name of ['colspan', 'rowspan', 'start']) {
    if (/^\d{1,4}$/.test(from.getAttribute(name) ?? '')) to.setAttribute(name, from.getAttribute(name));
  }
  if (from.localName !== 'img') return;
  to.alt = from.getAttribute('alt') ?? '';
  const source = pictureOf(from.getAttribute('src') ?? '');
  if (source) to.src = source;
  if (/^\d{1,3}%$/.test(from.getAttribute('width') ?? '')) to.style.width = from.getAttribute('width');
}
