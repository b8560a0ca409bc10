import { expect, it } from 'vitest';
import { blocks } from './text';

it('splits paragraphs and lists', () => {
  expect(blocks('One *two*\nthree.\n\n- a `b * c * d`\n  more\n- **e**')).toEqual([
    { list: false, items: ['One two three.'] },
    { list: true, items: ['a `b * c * d` more', 'e'] },
  ]);
  expect(blocks('')).toEqual([]);
  expect(blocks('2 * 3 * 4')).toEqual([{ list: false, items: ['2 * 3 * 4'] }]);
});
