// Points of series, read by cursor: an overview of each at the width asked for, and the part zoomed to.
/* eslint-disable svelte/prefer-svelte-reactivity -- plain maps are replaced as a whole or never shown */
import { SvelteMap } from 'svelte/reactivity';
import { get, part, type Schemas } from '../../api/client';
import { type Curve, curveOf, extended } from './curves';

type SeriesAnswer = Schemas['SeriesAnswer'];
const MOST = 64; // keys a request

interface Part {
  start: number;
  end: number;
  curve: Curve;
}

export class Points {
  private curves = new SvelteMap<string, Curve>();
  private parts = new SvelteMap<string, Part>();
  private widths = new Map<string, number>();
  private wanted = new Map<number, Set<string>>(); // width -> keys of the next request
  private busy = new Set<string>();
  private gathering = false;
  failed = $state<Error | null>(null);

  constructor(private readonly run: string) {}

  /** The whole curve as far as it is known. */
  whole(key: string): Curve | undefined {
    return this.curves.get(key);
  }

  /** The curve between two steps in more detail where it was read, else the whole. */
  within(key: string, range: readonly [number, number] | null): Curve | undefined {
    const part = this.parts.get(key);
    return range && part && part.start <= range[0] + 1 && part.end >= range[1] - 1 ? part.curve : this.curves.get(key);
  }

  /** Read these as wide as this; what is read already is left alone. */
  want(keys: readonly string[], width: number): void {
    for (const key of keys)
      if ((this.widths.get(key) ?? 0) < width && (this.widths.get(key) === undefined || this.curves.get(key)?.thinned !== false)) {
        this.widths.set(key, width);
        this.ask(key, width);
      }
  }

  /** Read what came after, of all that is shown. */
  more(): void {
    for (const [key, width] of this.widths) this.ask(key, width);
  }

  /** Read a part in detail; only needed where the whole is thinned. */
  async detail(keys: readonly string[], start: number, end: number, width: number, signal: AbortSignal): Promise<void> {
    const thin = keys.filter((key) => this.curves.get(key)?.thinned);
    if (!thin.length) return;
    try {
      const answer = await this.fetch(thin, { start, end, width }, signal);
      for (const one of answer.series) this.parts.set(one.key, { start, end, curve: curveOf(one) });
    } catch (error) {
      if (!(error instanceof DOMException)) this.failed = error as Error;
    }
  }

  private ask(key: string, width: number): void {
    const keys = this.wanted.get(width) ?? new Set<string>();
    this.wanted.set(width, keys.add(key));
    if (this.gathering) return;
    this.gathering = true;
    setTimeout(() => {
      this.gathering = false;
      for (const [at, set] of this.wanted) {
        const list = [...set].filter((one) => !this.busy.has(`${one} ${at}`));
        for (let i = 0; i < list.length; i += MOST) void this.read(list.slice(i, i + MOST), at);
      }
      this.wanted.clear();
    }, 10);
  }

  private async read(keys: readonly string[], width: number): Promise<void> {
    keys.forEach((key) => this.busy.add(`${key} ${width}`));
    const cursors = keys.map((key) => {
      const known = this.curves.get(key);
      // a curve that grew far beyond its width, or is now wanted wider, is read anew
      const goesOn = known && known.steps.length <= width * 2 && (!known.thinned || this.shownAt.get(key) === width);
      return goesOn ? `${key}:${known.position}` : key;
    });
    try {
      const answer = await this.fetch(cursors, { width });
      answer.series.forEach((one, index) => {
        const curve = curveOf(one);
        const old = this.curves.get(one.key);
        const on = cursors[index] !== one.key && old ? extended(old, curve) : curve;
        if (on === null) this.forget(one.key);
        else if (on !== old && !(old && curve.steps.length === 0 && cursors[index] !== one.key)) this.curves.set(one.key, on);
        this.shownAt.set(one.key, width);
      });
      this.failed = null;
    } catch (error) {
      this.failed = error as Error;
      for (const key of keys) if (!this.curves.has(key)) this.widths.delete(key);
    } finally {
      keys.forEach((key) => this.busy.delete(`${key} ${width}`));
    }
  }

  private readonly shownAt = new Map<string, number>();

  private forget(key: string): void {
    this.shownAt.delete(key);
    const width = this.widths.get(key) ?? 0;
    this.curves.delete(key);
    this.ask(key, width);
  }

  private fetch(key: readonly string[], more: Record<string, number>, signal?: AbortSignal): Promise<SeriesAnswer> {
    return get<SeriesAnswer>(`runs/${part(this.run)}/points`, { key, ...more }, signal);
  }
}
