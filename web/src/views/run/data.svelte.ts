// What the page of a run has read so far; kept while newer is fetched.
/* eslint-disable svelte/prefer-svelte-reactivity -- plain maps are replaced as a whole or never shown */
import { SvelteMap } from 'svelte/reactivity';
import { type Card, get, part, type Schemas } from '../../api/client';
import type { SeriesInfo } from './curves';

type Detail = Schemas['RunDetail'];
type CardPage = Schemas['CardPage'];
type SeriesList = Schemas['SeriesList'];
type SourceFile = Schemas['SourceFile'];

const FACTS = ['metric', 'log', 'loss', 'learning-rate'];
const EVERY = 1000; // ms between two readings while a run is live

export class RunData {
  detail = $state.raw<Detail | null>(null);
  cards = $state.raw<ReadonlyMap<string, Card>>(new Map());
  order = $state.raw<readonly string[]>([]);
  series = $state.raw<readonly SeriesInfo[]>([]);
  /** Whether findings have been read at least once. */
  read = $state(false);
  error = $state<unknown>(null);
  /** Grows with each reading: curves read on from where they were. */
  version = $state(0);
  readonly files = new SvelteMap<string, SourceFile | Error>();

  private revision = 0;
  private whole = false; // read findings from the start
  private reading = false;
  private again = false;
  private last = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;

  constructor(readonly run: string) {}

  get base(): string {
    return `runs/${part(this.run)}`;
  }

  /** Read what is new, now or when the last reading is old enough. */
  refresh(now = false): void {
    clearTimeout(this.timer);
    if (this.reading) {
      this.again = true;
      return;
    }
    const wait = now ? 0 : Math.max(0, this.last + EVERY - Date.now());
    if (wait > 0) this.timer = setTimeout(() => void this.load(), wait);
    else void this.load();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async load(): Promise<void> {
    this.reading = true;
    this.last = Date.now();
    try {
      await Promise.all([this.readDetail(), this.readCards(), this.readSeries()]);
      this.error = null;
      this.version += 1;
      for (const path of this.files.keys()) void this.readFile(path, true); // its marks may have changed
    } catch (error) {
      this.error = error;
    } finally {
      this.reading = false;
      if (this.again && !this.stopped) {
        this.again = false;
        this.refresh();
      }
    }
  }

  private async readDetail(): Promise<void> {
    this.detail = await get<Detail>(this.base);
  }

  private async readCards(): Promise<void> {
    const after = this.whole ? 0 : this.revision;
    this.whole = false;
    const page = await get<CardPage>(`${this.base}/findings`, { after });
    const known = new Set(page.order);
    const next = new Map([...this.cards].filter(([key]) => known.has(key)));
    for (const card of page.cards) next.set(card.key, card);
    this.cards = next;
    this.order = page.order;
    this.revision = page.revision;
    this.read = true;
  }

  private async readSeries(): Promise<void> {
    const all: SeriesInfo[] = [];
    let after: number | null = null;
    do {
      const page: SeriesList = await get<SeriesList>(`${this.base}/series`, { fact: FACTS, after });
      all.push(...page.series);
      after = page.next;
    } while (after !== null && all.length < 4000);
    // the same keys: keep the list, so that no plot is grouped anew
    const names = (list: readonly SeriesInfo[]): string => list.map((one) => one.key).join(' ');
    if (names(all) !== names(this.series)) this.series = all;
  }

  /** Read all findings again: a mute changes those of other runs and times too. */
  reread(): void {
    this.whole = true;
    this.refresh(true);
  }

  async readFile(path: string, anew = false): Promise<void> {
    if (!anew && this.files.has(path)) return;
    try {
      const file = await get<SourceFile>(`${this.base}/source`, { path });
      const old = this.files.get(path);
      if (old instanceof Error || !old || JSON.stringify(old.marks) !== JSON.stringify(file.marks)) this.files.set(path, file);
    } catch (error) {
      if (!(this.files.get(path) instanceof Error) && this.files.has(path)) return; // keep what was read
      this.files.set(path, error instanceof Error ? error : new Error(String(error)));
    }
  }
}
