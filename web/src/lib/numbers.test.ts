import { expect, test } from 'vitest';
import { ago, bytes, decode, duration, plural, show } from './numbers';

test('numbers are shown with four digits', () => {
  expect(show(0.123456)).toBe('0.1235');
  expect(show(12345)).toBe('12,345');
  expect(show(-0.5)).toBe('−0.5');
  expect(show(0.00001)).toBe('1.00e−5');
  expect(show(-1.32e-9)).toBe('−1.32e−9');
  expect(show(123456789)).toBe('1.23e8');
  expect(show('nan')).toBe('NaN');
  expect(show('-inf')).toBe('−∞');
  expect(show(null)).toBe('–');
  expect(show(2, 's')).toBe('2 s');
  expect(show(0.0628512, 'fraction')).toBe('6.29 %');
});

test('non-finite values are decoded', () => {
  expect(decode('inf')).toBe(Infinity);
  expect(decode('nan')).toBeNaN();
  expect(decode(undefined)).toBeNull();
});

test('times and sizes are in the unit that suits', () => {
  expect(duration(0.25)).toBe('250 ms');
  expect(duration(75)).toBe('1 min 15 s');
  expect(duration(7260)).toBe('2 h 1 min');
  expect(ago(0, 30)).toBe('just now');
  expect(ago(0, 7200)).toBe('2 h ago');
  expect(bytes(1500)).toBe('1.5 kB');
  expect(plural(1, 'finding')).toBe('1 finding');
  expect(plural(2, 'finding')).toBe('2 findings');
});
