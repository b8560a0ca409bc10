// The address is the state of the page.
import '../api/client'; // takes the token out of the address before it is read
import { address, parse, type Query } from '../lib/address';

export { address, type Query };

class Route {
  parts = $state.raw<string[]>([]);
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
