// Pages of checks, each read once.
import { SvelteMap } from 'svelte/reactivity';
import { get, part, type Schemas } from '../../api/client';

export type CheckPage = Schemas['CheckPage'];

class CheckPages {
  private pages = new SvelteMap<string, CheckPage | Error>();
  private asked = new Set<string>();

  get(id: string): CheckPage | Error | undefined {
    return this.pages.get(id);
  }

  /** Read it unless it is known. */
  async want(id: string): Promise<void> {
    if (this.asked.has(id)) return;
    this.asked.add(id);
    try {
      this.pages.set(id, await get<CheckPage>(`checks/${part(id)}`));
    } catch (error) {
      this.asked.delete(id); // another opening tries again
      this.pages.set(id, error instanceof Error ? error : new Error(String(error)));
    }
  }
}

export const checks = new CheckPages();

/** The family of snippets that a run's framework reads. */
export function family(framework: string): 'keras' | 'torch' | null {
  if (framework === 'keras') return 'keras';
  return ['torch', 'lightning', 'transformers'].includes(framework) ? 'torch' : null;
}
