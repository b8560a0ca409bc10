// The list of runs as data: what is asked for, and how answers join what is shown.
import type { Row, Schemas } from '../../api/client';
import { plural } from '../../lib/numbers';
import { SEVERITIES } from '../../lib/severity';
import type { Query } from '../../state/route.svelte';

type RunPage = Schemas['RunPage'];

export const SORTS = ['started', 'name', 'state', 'findings', 'updated', 'seconds', 'steps'] as const;
export type Sort = (typeof SORTS)[number];
export type Order = 'asc' | 'desc';

/** What the reader asks for; lives in the address. */
export interface Filter {
  search: string;
  tags: string[];
  states: string[];
  sort: Sort;
  order: Order;
  archived: boolean;
}

/** What is wanted first when a header is clicked. */
export function firstOrder(sort: Sort): Order {
  return sort === 'name' || sort === 'state' ? 'asc' : 'desc';
}

export function readFilter(query: URLSearchParams): Filter {
  const wanted = query.get('sort');
  const sort = SORTS.find((known) => known === wanted) ?? 'started';
  const order = query.get('order');
  return {
    search: query.get('q') ?? '',
    tags: query.getAll('tag'),
    states: query.getAll('state'),
    sort,
    order: order === 'asc' || order === 'desc' ? order : firstOrder(sort),
    archived: query.get('archived') === '1',
  };
}

/** The change of the address for another order. */
export function orderQuery(sort: Sort, order: Order): Query {
  return { sort: sort === 'started' ? null : sort, order: order === firstOrder(sort) ? null : order };
}

/** With or without one item. */
export function toggled(items: readonly string[], item: string): string[] {
  return items.includes(item) ? items.filter((other) => other !== item) : [...items, item];
}

/** Rows that did not change keep their identity, so that nothing is drawn again for them. */
export function keepSame(old: readonly Row[], fresh: readonly Row[]): Row[] {
  const known = new Map(old.map((row) => [row.id, row]));
  return fresh.map((row) => {
    const before = known.get(row.id);
    return before && JSON.stringify(before) === JSON.stringify(row) ? before : row;
  });
}

/**
 * The rows with their first page read again; null when rows came, went or moved over the end of that
 * page, so that all that is shown has to be read again.
 */
export function mergeHead(old: readonly Row[], page: RunPage): Row[] | null {
  const fresh = keepSame(old, page.runs);
  if (page.next === null || old.length <= fresh.length) return fresh;
  const ids = new Set(fresh.map((row) => row.id));
  if (!old.slice(0, fresh.length).every((row) => ids.has(row.id))) return null;
  return [...fresh, ...old.slice(fresh.length)];
}

/** The rows with one more page; a row that moved meanwhile stands once, where it is now. */
export function append(old: readonly Row[], page: RunPage): Row[] {
  const ids = new Set(page.runs.map((row) => row.id));
  return [...old.filter((row) => !ids.has(row.id)), ...page.runs];
}

/** Rows in pieces: the browser skips those that are out of sight. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}

/** Findings in words: `1 critical, 2 warnings`. */
export function countsInWords(counts: Row['counts']): string {
  const parts = SEVERITIES.filter((severity) => counts[severity] > 0).map((severity) =>
    severity === 'critical' || severity === 'info' ? `${counts[severity]} ${severity}` : plural(counts[severity], severity),
  );
  return parts.join(', ') || 'nothing found';
}
