// The address is the state of the page: `#/run/ID?finding=…`. Hash routes work below any mount point.
import '../api/client'; // takes the token out of the address before it is read

export type Query = Record<string, string | number | readonly string[] | null | undefined>;

function parse(hash: string): { parts: string[]; query: URLSearchParams } {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const parts = path.split('/').filter(Boolean).map(safeDecode);
  return { parts, query: new URLSearchParams(query) };
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An address below this page, for `href`. */
export function address(parts: readonly string[], query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const item of value) search.append(name, String(item));
    else if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

class Route {
  parts = $state.raw<string[]>([]);
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced as a whole, never changed
  query = $state.raw(new URLSearchParams());

  constructor() {
    this.read();
    addEventListener('hashchange', () => this.read());
    addEventListener('popstate', () => this.read());
  }

  private read(): void {
    const { parts, query } = parse(location.hash);
    this.parts = parts;
    this.query = query;
  }

  get(name: string): string | null {
    return this.query.get(name);
  }

  all(name: string): string[] {
    return this.query.getAll(name);
  }

  /** Go to another page. */
  go(parts: readonly string[], query: Query = {}): void {
    location.hash = address(parts, query);
  }

  /** Change some parameters of this page; null removes one. Replaces the history entry by default. */
  set(change: Query, { replace = true }: { replace?: boolean } = {}): void {
    const next: Record<string, string | string[]> = {};
    for (const name of new Set(this.query.keys())) next[name] = this.query.getAll(name);
    for (const [name, value] of Object.entries(change)) {
      if (value === null || value === undefined || value === '') Reflect.deleteProperty(next, name);
      else next[name] = Array.isArray(value) ? value.map(String) : String(value);
    }
    const target = address(this.parts, next);
    if (target === location.hash) return;
    if (replace) history.replaceState(history.state, '', target);
    else history.pushState(null, '', target);
    this.read();
  }
}

export const route = new Route();
