import { describe, expect, it } from 'vitest';
import type { Row } from '../../api/client';
import { append, chunks, countsInWords, firstOrder, keepSame, mergeHead, orderQuery, readFilter, toggled } from './rows';

const row = (id: string, steps = 0): Row => ({
  id, name: id, framework: 'torch', state: 'running', exit_code: null, started: 0, updated: 0, seconds: 0, steps, epochs: 0,
  revision: 0, counts: { critical: 0, error: 0, warning: 0, info: 0 }, top: null, sparkline: null, tags: [], archived: false,
  host: null, unsent: null,
});
const page = (ids: string[], next: string | null, steps = 0) =>
  ({ runs: ids.map((id) => row(id, steps)), next, total: 9, tags: [], revision: 1 });
const ids = (rows: readonly Row[] | null) => rows?.map((one) => one.id);

describe('paging', () => {
  const old = ['a', 'b', 'c', 'd'].map((id) => row(id));

  it('keeps the identity of rows that did not change', () => {
    const [a, b] = keepSame(old, [row('a'), row('b', 5)]);
    expect(a).toBe(old[0]);
    expect(b).not.toBe(old[1]);
    expect(b?.steps).toBe(5);
  });

  it('reads the first page again and leaves the rest', () => {
    const merged = mergeHead(old, page(['b', 'a'], 'x', 3));
    expect(ids(merged)).toEqual(['b', 'a', 'c', 'd']);
    expect(merged?.[2]).toBe(old[2]);
  });

  it('gives up when a run came, went or moved over the end of the page', () => {
    expect(mergeHead(old, page(['new', 'a'], 'x'))).toBeNull();
    expect(mergeHead(old, page(['a', 'c'], 'x'))).toBeNull();
  });

  it('takes a page that is all there is', () => {
    expect(ids(mergeHead(old, page(['d'], null)))).toEqual(['d']);
    expect(ids(mergeHead([], page(['a', 'b'], 'b')))).toEqual(['a', 'b']);
  });

  it('never shows a run twice', () => {
    expect(ids(append(old, page(['d', 'e'], null)))).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('splits into chunks without losing any', () => {
    expect(chunks([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
    expect(chunks([], 2)).toEqual([]);
  });
});

describe('the question in the address', () => {
  it('reads what is there and ignores what is not known', () => {
    const filter = readFilter(new URLSearchParams('q=a+b&tag=x&tag=y&state=crashed&sort=price&archived=1'));
    expect(filter).toEqual({ search: 'a b', tags: ['x', 'y'], states: ['crashed'], sort: 'started', order: 'desc', archived: true });
    expect(readFilter(new URLSearchParams('sort=name')).order).toBe('asc');
    expect(readFilter(new URLSearchParams('sort=name&order=desc')).order).toBe('desc');
  });

  it('leaves out what goes without saying', () => {
    expect(orderQuery('started', firstOrder('started'))).toEqual({ sort: null, order: null });
    expect(orderQuery('steps', 'asc')).toEqual({ sort: 'steps', order: 'asc' });
  });

  it('toggles', () => {
    expect(toggled(['a', 'b'], 'a')).toEqual(['b']);
    expect(toggled(['a'], 'b')).toEqual(['a', 'b']);
  });
});

it('says counts in words', () => {
  expect(countsInWords({ critical: 1, error: 2, warning: 1, info: 3 })).toBe('1 critical, 2 errors, 1 warning, 3 info');
  expect(countsInWords({ critical: 0, error: 0, warning: 0, info: 0 })).toBe('nothing found');
});
