/** What was just done, as a command or a program to copy. */

import { key, urlOf } from './api.js';

/** @param {'curl' | 'Python' | 'JavaScript'} language */
export function snippet(language, reading) {
  const options = { ...reading.optionsFor(!reading.jobId), format: 'markdown' };
  delete options.password;
  const source = reading.source.url ?? null;
  // JSON has numbers and truth values, which are texts here: beside a URL, options stand in the query.
  const query = source ? `?${new URLSearchParams(options)}` : '';
  const request = {
    url: urlOf('ocr') + query,
    name: reading.source.file ? reading.source.name : null,
    source,
    options: source ? [] : Object.entries(options),
    hasKey: Boolean(key.get()),
  };
  return { curl, Python: python, JavaScript: javascript }[language](request);
}

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const quoted = (text) => JSON.stringify(text);

function curl({ url, name, source, options, hasKey }) {
  const parts = ['curl', shell(url)];
  if (hasKey) parts.push('-H "X-API-Key: $API_KEY"');
  if (source) {
    const body = JSON.stringify({ source: { url: source } });
    parts.push("-H 'Content-Type: application/json'", '-d', shell(body));
  } else {
    // In quotes, because curl parts names at commas and semicolons.
    parts.push('-F', shell(`file=@${quoted(name)}`),
      ...options.map(([option, value]) => `-F ${shell(`${option}=${value}`)}`));
  }
  return parts.join(' ');
}

function python({ url, name, source, options, hasKey }) {
  const given = options.map(([option, value]) => `${quoted(option)}: ${quoted(value)}`).join(', ');
  const sent = source
    ? `json={"source": {"url": ${quoted(source)}}}`
    : `files={"file": open(${quoted(name)}, "rb")}, data={${given}}`;
  return [
    hasKey ? 'import os\n' : '',
    'import httpx\n\n',
    hasKey ? 'headers = {"X-API-Key": os.environ["API_KEY"]}\n' : '',
    `answer = httpx.post(${quoted(url)}, ${sent}, ${hasKey ? 'headers=headers, ' : ''}timeout=600)\n`,
    'print(answer.raise_for_status().text)\n',
  ].join('');
}

function javascript({ url, name, source, options, hasKey }) {
  const headers = [
    ...(hasKey ? ["'X-API-Key': process.env.API_KEY"] : []),
    ...(source ? ["'Content-Type': 'application/json'"] : []),
  ].join(', ');
  const body = source
    ? `const body = JSON.stringify(${JSON.stringify({ source: { url: source } })});`
    : ["import { readFile } from 'node:fs/promises';", 'const body = new FormData();',
      ...options.map(([option, value]) => `body.append(${quoted(option)}, ${quoted(value)});`),
      `body.append('file', new Blob([await readFile(${quoted(name)})]), ${quoted(name)});`].join('\n');
  return `${body}
const answer = await fetch(${quoted(url)}, { method: 'POST', body${headers ? `, headers: { ${headers} }` : ''} });
if (!answer.ok) throw new Error((await answer.json()).detail);
console.log(await answer.text());
`;
}
