/** A form of the options that the service tells of (`GET /v1/capabilities`). */

import { element, hasText, t } from './dom.js';

const USUAL = ['pages', 'model', 'task', 'text_layer', 'orientation', 'image_text', 'chart', 'seal', 'password'];
/** What the page decides itself. */
const OWN = new Set(['format', 'stream', 'images', 'include', 'priority']);

/** `capabilities`: those of the service. Options that it leaves no choice in are left out. */
export function optionsForm({ options, models, line_reader: lineReader }) {
  const offered = options.filter(({ name }) => !OWN.has(name)
    && (name !== 'model' || models.length > 1) && (name !== 'recognition' || lineReader));
  const known = new Map(offered.map((option) => [option.name, withModels(option, models)]));
  const usual = USUAL.filter((name) => known.has(name)).map((name) => field(known.get(name)));
  const others = [...known.values()].filter(({ name }) => !USUAL.includes(name)).map(field);
  return [...usual, element('details', {}, element('summary', {}, t('more_options')), ...others)];
}

/** The option `model` with the names to choose from. */
function withModels({ name, schema }, models) {
  if (name !== 'model') return { name, schema };
  const names = models.map((model) => model.name);
  return { name, schema: { ...schema, enum: names, default: models.find((model) => model.is_default)?.name } };
}

/** The options that differ from the service's defaults. */
export function chosenOptions(form) {
  const chosen = {};
  for (const input of form.querySelectorAll('[name]')) {
    const value = input.type === 'checkbox' ? String(input.checked) : input.value.trim();
    if (value !== (input.dataset.default ?? '')) chosen[input.name] = value;
  }
  return chosen;
}

/** What `chosenOptions` gave, in another form. */
export function chooseOptions(form, chosen) {
  for (const [name, value] of Object.entries(chosen)) {
    const input = form.querySelector(`[name="${name}"]`);
    if (input.type === 'checkbox') input.checked = value === 'true';
    else input.value = value;
  }
}

function field({ name, schema }) {
  const label = hasText(`option_${name}`) ? t(`option_${name}`) : name;
  const input = control(name, schema);
  const isFlag = schema.type === 'boolean';
  return element('label', { class: isFlag ? 'flag' : 'field', title: plainText(schema.description) },
    ...(isFlag ? [input, label] : [element('span', {}, label), input]));
}

function control(name, schema) {
  const initial = schema.default ?? '';
  const common = { name, 'data-default': String(initial) };
  if (schema.type === 'boolean') return element('input', { ...common, type: 'checkbox', checked: initial });
  if (schema.enum) {
    return element('select', common, schema.enum.map((choice) => element('option',
      { value: choice, selected: choice === initial }, hasText(`choice_${choice}`) ? t(`choice_${choice}`) : choice)));
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const bounds = { min: schema.minimum ?? schema.exclusiveMinimum, max: schema.maximum };
    return element('input', { ...common, ...bounds, type: 'number', step: schema.type === 'integer' ? 1 : 'any' });
  }
  const kind = name === 'password' ? 'password' : 'text';
  const placeholder = schema.examples?.[0];
  return element('input', { ...common, type: kind, autocomplete: 'off', spellcheck: 'false', placeholder });
}

function plainText(description = '') {
  return description.replaceAll('`', '');
}
