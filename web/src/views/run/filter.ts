// Which cards are shown, folded under another, or muted.
import type { Card } from '../../api/client';
import { seenIn } from './timeline';

export interface Filter {
  severities: readonly string[]; // none: all
  kind: string;
  cause: string;
  layer: string;
  text: string;
  epoch: number | null;
}

export interface Listed {
  /** In order; those that another explains follow it in `folded`. */
  shown: Card[];
  folded: Map<string, Card[]>;
  muted: Card[];
  /** How many the filter leaves out. */
  hidden: number;
}

/** Whether a card passes. */
export function passes(card: Card, filter: Filter): boolean {
  if (filter.severities.length && !filter.severities.includes(card.severity)) return false;
  if (filter.kind && card.kind !== filter.kind) return false;
  if (filter.cause && card.cause !== filter.cause) return false;
  if (filter.layer && card.layer !== filter.layer) return false;
  if (filter.epoch !== null && !seenIn(card, filter.epoch)) return false;
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const place = card.location ? `${card.location.file}:${card.location.line}` : '';
  const all = [card.title, card.message, card.check, card.cause, card.layer ?? '', card.parameter ?? '', place];
  const text = all.join('\n').toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Cards in the order to fix them; ones that are gone follow those that are active. */
export function ordered(cards: ReadonlyMap<string, Card>, order: readonly string[]): Card[] {
  const known = order.map((key) => cards.get(key)).filter((card) => card !== undefined);
  const listed = new Set(order);
  const rest = [...cards.values()].filter((card) => !listed.has(card.key)); // told before the order was
  const all = [...known, ...rest];
  return [...all.filter((card) => card.state !== 'gone'), ...all.filter((card) => card.state === 'gone')];
}

/** What the list of cards shows. */
export function listed(cards: readonly Card[], filter: Filter): Listed {
  const fitting = cards.filter((card) => passes(card, filter));
  const muted = fitting.filter((card) => card.mute);
  const open = fitting.filter((card) => !card.mute);
  const by = new Map(open.map((card) => [card.key, card]));
  const folded = new Map<string, Card[]>();
  const shown: Card[] = [];
  for (const card of open) {
    const cause = root(card, by);
    if (cause === card.key) shown.push(card);
    else folded.set(cause, [...(folded.get(cause) ?? []), card]);
  }
  return { shown, folded, muted, hidden: cards.length - fitting.length };
}

/** The key of the shown card that explains this one at last; its own when none does. */
function root(card: Card, by: ReadonlyMap<string, Card>): string {
  const seen = new Set([card.key]);
  let at = card;
  for (;;) {
    const causes = at.explained_by.map((key) => by.get(key)).filter((one) => one !== undefined);
    const next = causes.find((one) => !seen.has(one.key));
    if (!next) {
      if (!causes.length) return at.key;
      // they explain each other: the first of them stands for all
      for (const key of by.keys()) if (seen.has(key)) return key;
      return card.key;
    }
    seen.add(next.key);
    at = next;
  }
}

/** The keys as j and k walk them: each card, then what it explains. */
export function walk(list: Listed): string[] {
  return list.shown.flatMap((card) => [card.key, ...(list.folded.get(card.key) ?? []).map((one) => one.key)]);
}

/** Distinct values to choose from, in order of appearance. */
export function choices(cards: readonly Card[], of: (card: Card) => string | null): string[] {
  return [...new Set(cards.map(of))].filter((value) => value !== null && value !== '') as string[];
}
