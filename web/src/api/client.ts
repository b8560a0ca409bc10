// The server's API. Types come from its OpenAPI document (`npm run types`).
import type { components } from './schema';

export type Schemas = components['schemas'];
export type Row = Schemas['RunRow'];
export type Card = Schemas['Card'];
export type Changes = Schemas['Changes'];

type Value = string | number | boolean | null | undefined | readonly (string | number)[];
const KEY = 'trema-token';

/** What the server said about a request it could not fulfil: one sentence. */
export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer
    message: string,
  ) {
    super(message);
  }
}

/** Take the token out of `#/…?token=…`, keep it for this origin, and clean the address. */
export function takeToken(): void {
  const [path = '', query = ''] = location.hash.split('?', 2);
  const search = new URLSearchParams(query);
  const given = search.get('token');
  if (given === null) return;
  localStorage.setItem(KEY, given);
  search.delete('token');
  const rest = search.toString();
  history.replaceState(history.state, '', `${path || '#/'}${rest ? `?${rest}` : ''}`);
}

takeToken(); // before anything reads the address

function headers(extra: Record<string, string> = {}): Record<string, string> {
  const token = localStorage.getItem(KEY);
  return token === null ? extra : { Authorization: `Bearer ${token}`, ...extra };
}

/** A relative address of the API. */
export function apiUrl(path: string, parameters: Record<string, Value> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (Array.isArray(value)) for (const item of value) search.append(name, String(item));
    else if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `api/${path}${text ? `?${text}` : ''}`;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, credentials: 'omit', redirect: 'error' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'the server does not answer: is `trema ui` still running?');
  }
  if (!answer.ok) throw new ApiError(answer.status, await sentence(answer));
  return answer;
}

async function sentence(answer: Response): Promise<string> {
  try {
    const body: unknown = await answer.json();
    if (typeof body === 'object' && body !== null && 'error' in body) return String(body.error);
  } catch {
    // not JSON: a proxy in between
  }
  return `the server answered ${answer.status}`;
}

/** Read; `path` parts are already encoded (see {@link part}). */
export async function get<T>(path: string, parameters: Record<string, Value> = {}, signal?: AbortSignal): Promise<T> {
  const answer = await request(apiUrl(path, parameters), { headers: headers(), signal: signal ?? null });
  return (await answer.json()) as T;
}

/** Write. */
export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, headers: headers() };
  if (body !== undefined) {
    init.headers = headers({ 'Content-Type': 'application/json' });
    init.body = JSON.stringify(body);
  }
  const answer = await request(apiUrl(path), init);
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

/** Save what the API gives as a file; a link could not carry the token. */
export async function download(path: string, parameters: Record<string, Value>, name: string): Promise<void> {
  const answer = await request(apiUrl(path, parameters), { headers: headers() });
  const url = URL.createObjectURL(await answer.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** One part of a path. */
export function part(text: string): string {
  return encodeURIComponent(text);
}

/**
 * Follow the changes of the server until the signal aborts; resolves when the stream ends.
 * EventSource cannot send a header, so the stream is read with fetch.
 */
export async function follow(cursor: string | null, told: (changes: Changes) => void, signal: AbortSignal): Promise<void> {
  const answer = await request(apiUrl('stream', { cursor }), {
    headers: headers({ Accept: 'text/event-stream' }),
    signal,
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).replace(/\r\n?/g, '\n').split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trimStart())
        .join('\n');
      if (data) told(JSON.parse(data) as Changes);
    }
  }
}
