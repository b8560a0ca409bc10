import { expect, test } from 'vitest';
import { address, parse } from './address';

test('an address is read as it was written', () => {
  const hash = address(['run', 'a b/ü'], { finding: '0:x&y', run: ['1', '2'], none: null, empty: '' });
  expect(hash).toBe('#/run/a%20b%2F%C3%BC?finding=0%3Ax%26y&run=1&run=2');
  const { parts, query } = parse(hash);
  expect(parts).toEqual(['run', 'a b/ü']);
  expect(query.getAll('run')).toEqual(['1', '2']);
  expect(query.get('finding')).toBe('0:x&y');
});

test('a damaged address is text', () => {
  expect(parse('#/run/%E0%A4%A').parts).toEqual(['run', '%E0%A4%A']);
  expect(parse('').parts).toEqual([]);
});
