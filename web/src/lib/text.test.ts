import { expect, test } from 'vitest';
import { inert, pieces, safeLink } from './text';

test('hidden characters are shown', () => {
  expect(inert('a\u202eb\u0000c')).toBe('a\\u202eb\\u0000c');
  expect(inert('x'.repeat(5000), 10)).toBe(`${'x'.repeat(10)}…`);
  expect(inert(null)).toBe('');
  expect(inert('two\nlines\tand Ünïcode')).toBe('two\nlines\tand Ünïcode');
});

test('backticks make code', () => {
  expect(pieces('layer `fc1` is dead')).toEqual([
    { text: 'layer ', code: false },
    { text: 'fc1', code: true },
    { text: ' is dead', code: false },
  ]);
});

test('only links that a browser or editor may open', () => {
  expect(safeLink('https://keras.io')).toBe('https://keras.io');
  expect(safeLink('vscode://file/a.py:1:2')).toBe('vscode://file/a.py:1:2');
  expect(safeLink('javascript:alert(1)')).toBeNull();
  expect(safeLink(' data:text/html,x')).toBeNull();
  expect(safeLink(null)).toBeNull();
});
