// What changed on the server: by a stream, or by polling where a proxy swallows streams.
import { SvelteMap } from 'svelte/reactivity';
import { ApiError, type Changes, follow, get } from '../api/client';

const POLL = 3000; // ms
const RETRY = 2000; // ms
const AGAIN = 20; // polls, after which the stream is tried once more
const QUICK = 4000; // ms: a stream that ends sooner than this was probably cut by a proxy

type Connection = 'connecting' | 'live' | 'polling' | 'offline' | 'locked';

class Live {
  /** How the page learns of changes; `locked`: the token is missing or no longer valid. */
  connection = $state<Connection>('connecting');
  /** Grows with every change of anything. */
  any = $state(0);
  private versions = new SvelteMap<string, number>();
  private cursor: string | null = null;
  private everything = $state(0);
  private started = false;

  /** Grows with every change of this run: read it in an effect to load again. */
  of(run: string): number {
    return (this.versions.get(run) ?? 0) + this.everything;
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    void this.run();
  }

  private take(changes: Changes): void {
    this.cursor = changes.cursor;
    if (changes.all) this.everything += 1;
    for (const run of changes.runs) this.versions.set(run.id, (this.versions.get(run.id) ?? 0) + 1);
    if (changes.all || changes.runs.length || changes.removed.length) this.any += 1;
  }

  private async run(): Promise<never> {
    let cut = 0; // streams in a row that failed or ended at once
    let asked = 0; // polls since the stream was last tried
    for (;;) {
      try {
        if (cut < 2 || asked >= AGAIN) {
          asked = 0;
          cut = (await this.streamed()) ? 0 : cut + 1;
        } else {
          this.take(await get<Changes>('changes', { cursor: this.cursor }));
          this.connection = 'polling';
          asked += 1;
          await pause(POLL);
        }
      } catch (error) {
        this.connection = error instanceof ApiError && error.status === 401 ? 'locked' : 'offline';
        await pause(RETRY);
      }
    }
  }

  /** Follow the stream until it ends; whether it lasted, as it does where no proxy cuts it. */
  private async streamed(): Promise<boolean> {
    const begun = Date.now();
    try {
      await follow(
        this.cursor,
        (changes) => {
          this.connection = 'live';
          this.take(changes);
        },
        new AbortController().signal,
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) throw error;
    }
    const lasted = Date.now() - begun >= QUICK;
    if (!lasted) await pause(500);
    return lasted;
  }
}

function pause(time: number): Promise<void> {
  return new Promise((done) => setTimeout(done, time));
}

export const live = new Live();
