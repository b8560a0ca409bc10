import { expect, it } from 'vitest';
import { byLine } from './marks';

it('gathers the marks of a line and takes the worst severity', () => {
  const mark = (line: number, keys: string[], severity: string, column = 1) => ({ line, end_line: line, column, end_column: column + 2, keys, severity });
  const made = byLine([mark(3, ['a'], 'warning'), mark(3, ['b', 'a'], 'critical', 5), mark(9, ['c'], 'odd')]);
  expect(made.get(3)).toMatchObject({ keys: ['a', 'b'], severity: 'critical' });
  expect(made.get(3)?.marks.length).toBe(2);
  expect(made.get(9)?.severity).toBe('info');
});
