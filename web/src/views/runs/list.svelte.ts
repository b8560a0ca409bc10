// The list of runs that is shown, read page by page and kept up to date.
import { ApiError, get, part, type Row, type Schemas } from '../../api/client';
import { live } from '../../state/live.svelte';
import { append, type Filter, keepSame, mergeHead } from './rows';

type RunPage = Schemas['RunPage'];

const PAGE = 50; // rows
const MOST = 1000; // rows the server gives at once
const APART = 1000; // ms between two refreshes

export class RunList {
  rows = $state.raw<Row[]>([]);
  total = $state(0);
  tags = $state.raw<string[]>([]);
  next = $state<string | null>(null);
  /** What is being read. */
  busy = $state<'first' | 'more' | null>('first');
  error = $state<string | null>(null);

  private filter: Filter | null = null;
  private abort = new AbortController();
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nothing is drawn from it
  private seen = new Map<string, number>(); // version of `live` at which a row was read by itself
  private timer: ReturnType<typeof setTimeout> | undefined;
  private notBefore = 0;

  /** Show other runs; what is shown stays until the answer is there. */
  async show(filter: Filter): Promise<void> {
    this.filter = filter;
    this.stop();
    this.busy = 'first';
    const mine = this.abort;
    await this.guard(async () => this.take(await this.read(null, PAGE)));
    if (mine === this.abort) this.busy = null; // else another question is on its way
  }

  async more(): Promise<void> {
    const after = this.next;
    if (after === null || this.busy !== null) return;
    this.busy = 'more';
    const mine = this.abort;
    await this.guard(async () => {
      const page = await this.read(after, PAGE);
      this.rows = append(this.rows, page);
      this.next = page.next;
      this.note(page);
    });
    if (mine === this.abort) this.busy = null;
  }

  /** Read again what changed, soon; `visible` are the ids on the screen. */
  refresh(visible: () => readonly string[]): void {
    if (this.timer !== undefined || this.filter === null) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        if (this.busy === null) void this.guard(() => this.refreshed(visible()));
      },
      Math.max(0, this.notBefore - Date.now()),
    );
  }

  /** Read everything that is shown again, such as after something was deleted. */
  async again(): Promise<void> {
    await this.guard(async () => this.take(await this.read(null, Math.min(MOST, Math.max(PAGE, this.rows.length)))));
  }

  stop(): void {
    this.abort.abort();
    this.abort = new AbortController();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async refreshed(visible: readonly string[]): Promise<void> {
    const begun = Date.now();
    const page = await this.read(null, PAGE);
    const merged = mergeHead(this.rows, page);
    if (merged === null || page.total !== this.total) {
      if (this.rows.length > PAGE) await this.again();
      else this.take(page);
    } else {
      this.rows = merged;
      this.note(page);
      const head = page.runs.map((row) => row.id);
      await this.below(visible.filter((id) => !head.includes(id)));
    }
    // a slow server is not asked more often than it can bear
    this.notBefore = Date.now() + Math.max(APART, 4 * (Date.now() - begun));
  }

  /** Rows on the screen below the first page: only those that changed. */
  private async below(visible: readonly string[]): Promise<void> {
    const ids = visible.filter((id) => (this.seen.get(id) ?? 0) !== live.of(id));
    const versions = ids.map((id) => live.of(id)); // before reading: what changes meanwhile is read next time
    const rows = await Promise.all(ids.map((id) => this.readRow(id)));
    this.rows = this.rows.flatMap((row) => {
      const at = ids.indexOf(row.id);
      return at < 0 ? [row] : (rows[at] ?? []); // null: deleted meanwhile
    });
    ids.forEach((id, index) => this.seen.set(id, versions[index] ?? 0));
  }

  private async readRow(id: string): Promise<Row | null> {
    try {
      return (await get<Schemas['RunDetail']>(`runs/${part(id)}`, {}, this.abort.signal)).row;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  private read(after: string | null, limit: number): Promise<RunPage> {
    const { search, tags, states, sort, order, archived } = this.filter as Filter;
    const wanted = { after, limit, search, tag: tags, state: states, sort, order, archived: archived || null };
    return get<RunPage>('runs', wanted, this.abort.signal);
  }

  private take(page: RunPage): void {
    this.rows = keepSame(this.rows, page.runs);
    this.next = page.next;
    this.note(page);
  }

  private note(page: RunPage): void {
    this.total = page.total;
    this.tags = page.tags;
  }

  private async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.error = null;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'AbortError') return;
      this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
