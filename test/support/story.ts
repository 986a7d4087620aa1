// A story about one program: a kernel in WAT, prepared with a slot everywhere, an instance of it, and patches by hand.
// Every event of its patcher is written down; tests compare the whole log.

import { type BuildOptions, buildPatch } from '../../src/build/index.ts';
import {
  type Instantiated,
  instantiate,
  Patcher,
  type PatcherEvent,
  type PatchState,
  type PatchStatus,
  type ProgramStatus,
} from '../../src/index.ts';
import { reservedExport } from '../../src/patch/index.ts';
import { type PrepareOptions, prepare } from '../../src/prepare/index.ts';
import { wat } from './wat.ts';

// biome-ignore lint/suspicious/noExplicitAny: exports of a fixture, whose types the WAT beside the test says
type Exports = Record<string, any>;

type PatchOptions = Omit<Partial<BuildOptions>, 'target' | 'replacements' | 'name'>;

export interface StoryOptions extends PrepareOptions {
  /** What its program is called; default: app. */
  readonly app?: string;
  /** For a second program beside the first one of a story. */
  readonly patcher?: Patcher;
  /** How its patches are built; default: as everybody builds them. */
  readonly build?: (options: BuildOptions) => Promise<{ readonly bytes: Uint8Array }>;
}

export interface Story {
  readonly patcher: Patcher;
  readonly prepared: Uint8Array<ArrayBuffer>;
  readonly module: WebAssembly.Module;
  readonly instance: WebAssembly.Instance;
  readonly exports: Exports;
  /** One line an event, oldest first; emptied by reading. */
  log(): string[];
  /** Builds a patch in WAT that replaces the named functions. */
  patch(
    name: string,
    functions: string | readonly string[],
    text: string,
    options?: PatchOptions,
  ): Promise<Uint8Array>;
  /** A migration point with all the time in the world: a busy machine changes nothing in what a test sees. */
  pump(): void;
  /** The patch states of its program's instances, oldest first. */
  states(): PatchState[];
  /** The patches on its program, bottom first. */
  patches(): readonly PatchStatus[];
  /** The first instance's memory as it is now, exported or not. */
  memory(): DataView;
  /** Another instance of the program. */
  another(imports?: WebAssembly.Imports): Promise<Instantiated & { readonly exports: Exports }>;
}

export async function story(
  kernel: string | Uint8Array,
  imports: WebAssembly.Imports = {},
  { app: name = 'app', patcher = new Patcher(), build = buildPatch, ...options }: StoryOptions = {
    slots: 'all',
  },
): Promise<Story> {
  const { bytes: prepared } = await prepare(typeof kernel === 'string' ? wat(kernel) : kernel, options);
  const events: string[] = [];
  patcher.subscribe((event) => event.program === name && events.push(eventLine(event)));
  const first = await instantiate(prepared, imports, { name, patcher });
  const program = (): ProgramStatus | undefined => patcher.statusNow().programs.find((p) => p.name === name);
  return {
    patcher,
    prepared,
    module: first.module,
    instance: first.instance,
    exports: first.instance.exports,
    log: () => events.splice(0),
    async patch(patchName, functions, patchText, patchOptions = {}) {
      const source = { kind: 'wat', text: patchText, file: `${patchName}.wat` } as const;
      const [one, ...more] = typeof functions === 'string' ? [functions] : functions;
      const replacements = [one ?? '', ...more].map((f) => ({ function: f, source }));
      return (await build({ ...patchOptions, target: prepared, replacements, name: patchName })).bytes;
    },
    pump: () => patcher.pump(60_000),
    states: () => program()?.instances.map((i) => i.state) ?? [],
    patches: () => program()?.patches ?? [],
    memory() {
      const memory = reserved(first.instance, reservedExport('memory', 0));
      if (!(memory instanceof WebAssembly.Memory)) throw new Error('no memory');
      return new DataView(memory.buffer);
    },
    async another(own = imports) {
      const made = await instantiate(first.module, own, { name, patcher });
      return { ...made, exports: made.instance.exports };
    },
  };
}

/** A reserved export: no longer among the instance's own exports, but still the engine's. */
export function reserved(instance: WebAssembly.Instance, name: string): unknown {
  const own = Object.getOwnPropertyDescriptor(WebAssembly.Instance.prototype, 'exports')?.get;
  const exports = own?.call(instance) as WebAssembly.Exports | undefined;
  return exports?.[name];
}

/** A module with one function that returns a number. */
export function returning(name: string, value: number): string {
  return `(module (func (export "${name}") (result i32) (i32.const ${value})))`;
}

/** The host's `env.pause`: a program is in the middle of what it does, and a test looks at it from inside. */
export interface Pause {
  readonly imports: WebAssembly.Imports;
  act: () => void;
}

export function pausing(): Pause {
  const pause: Pause = { imports: { env: { pause: () => pause.act() } }, act() {} };
  return pause;
}

/** The log of a transition that nothing holds up. */
export function smooth(
  direction: 'apply' | 'revert',
  patch: string,
  universe: number,
  instances = [1],
): string[] {
  const step = (name: string): string => `${direction} ${patch}: ${name}`;
  return [
    step('initializing'),
    step('starting'),
    ...instances.map((i) => `instance ${i} -> universe ${universe}`),
    step('completing'),
    step('complete'),
  ];
}

/** An event in one line. */
export function eventLine(event: PatcherEvent): string {
  switch (event.type) {
    case 'instance':
      return `instance ${event.instance} ${event.change}`;
    case 'transition':
      return `${event.direction} ${event.patch}: ${event.step}`;
    case 'migrated':
      return (
        `instance ${event.instance} -> universe ${event.universe}` +
        (event.safePoint === undefined ? '' : ` at ${event.safePoint}`)
      );
    case 'callback':
      return `instance ${event.instance} ${event.patch}: ${event.callback} ${event.outcome}`;
  }
}
