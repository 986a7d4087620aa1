// The worker that a WASI program runs in: compiles it, gives it node:wasi with migration points around every host call, lets
// a patcher adopt the instance, and runs `_start`. From then on its event loop does not turn until the program is over.

import { fstatSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { WgraftError } from '../../errors.ts';
import { Patcher } from '../../runtime/index.ts';
import { engine } from '../../wasm/index.ts';
import { asJson } from '../as-json.ts';
import { Bell } from '../bell.ts';
import { type HostFunctions, withMigrationPoints } from '../migration-points.ts';
import { withSafePoints } from '../safe-point.ts';
import { Sleeper } from '../sleeper.ts';
import { GuestMemory, wasiModule } from './abi.ts';
import { missingImports, refuseNonCommand } from './command.ts';
import { loadWasi } from './node-wasi.ts';
import { servePoll } from './poll.ts';
import type { Report, WorkerInput } from './protocol.ts';
import { Ring } from './ring.ts';
import { Stdin, serveStdin } from './stdin.ts';
import { serveStdout } from './stdout.ts';
import { Visits } from './visits.ts';

// Wasm traps are reported with their stack, which is of no use if cut short.
Error.stackTraceLimit = 64;

const input = workerData as WorkerInput; // what run.ts starts it with
if (parentPort === null)
  throw new WgraftError('WGRAFT_ERR_INTERNAL', { what: 'worker.ts is not in a worker' });
const port = parentPort;
const report = (message: Report): void => port.postMessage(message);

try {
  const program = await prepareToRun();
  report({ type: 'ready', mirror: program.mirror });
  try {
    report({ type: 'exited', code: program.run() });
  } catch (cause) {
    report({ type: 'trapped', error: trapped(cause) });
  }
} catch (cause) {
  report({ type: 'refused', error: asJson(cause) });
}
// A transition that still waits must not be finished by the event loop now: there is no program any more.
process.exit();

interface Runnable {
  readonly mirror: Visits['mirror'];
  /** Returns the exit code when the program is over; throws what it trapped with. */
  run(): number;
}

async function prepareToRun(): Promise<Runnable> {
  const { options } = input;
  const module = await compile(input.prepared, options.name);
  refuseNonCommand(module, options.name);
  const { WASI } = loadWasi();
  const { name, args, env, preopens } = options;
  const wasi = refused(
    () => new WASI({ version: 'preview1', args: [...args], env: { ...env }, preopens: { ...preopens } }),
  );

  const bell = new Bell(input.bell);
  const patcher = new Patcher();
  const visits = new Visits(patcher, port, bell);
  let memory: GuestMemory | undefined;
  const sleeper = new Sleeper(bell, (asleep) => visits.visit(asleep));
  const functions = serve(wasi.wasiImport as HostFunctions, { bell, visits, sleeper, memory: () => memory });
  const given = { [wasiModule]: functions as WebAssembly.ModuleImports };
  const { imports, bind } = withSafePoints(module, given, patcher);
  const missing = missingImports(module, imports);
  if (missing.length > 0)
    throw new WgraftError('WGRAFT_ERR_IMPORTS_UNKNOWN', { program: name, imports: missing });

  const instance = await engine.instantiate(module, imports).catch((cause: unknown) => {
    throw WgraftError.from(trapped(cause)); // its start section, or segments that its memory has no room for
  });
  memory = new GuestMemory(instance.exports['memory'] as WebAssembly.Memory); // refuseNonCommand has seen to it
  patcher.adopt(instance, module, imports, { name });
  bind(instance);
  return {
    mirror: visits.mirror,
    run: () => {
      sleeper.until(() => bell.hasBegun || undefined);
      return wasi.start(instance);
    },
  };
}

/** run.ts has looked at the folders; what node:wasi still has against them (no right to open one) names none of them. */
function refused<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const { preopens } = input.options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const [guest, host] = [Object.keys(preopens).join(', '), Object.values(preopens).join(', ')];
    throw new WgraftError('WGRAFT_ERR_PREOPEN', { guest, host, reason }, { cause });
  }
}

async function compile(prepared: Uint8Array, what: string): Promise<WebAssembly.Module> {
  try {
    return await engine.compile(prepared as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WgraftError('WGRAFT_ERR_WASM_INVALID', { what, reason }, { cause });
  }
}

interface World {
  readonly bell: Bell;
  readonly visits: Visits;
  readonly sleeper: Sleeper;
  /** Undefined until the program is instantiated; its start section may come before that. */
  readonly memory: () => GuestMemory | undefined;
}

/** node:wasi's functions as the program gets them. */
function serve(host: HostFunctions, { bell, visits, sleeper, memory }: World): HostFunctions {
  const output = serveStdout(host, sleeper);
  // Reading a file never waits, and node:wasi shares its position with the program's fd_seek: nothing to put between.
  const fd = fstatSync(0).isFile() ? -1 : 0;
  const stdin = new Stdin(fd, new Ring(input.ring), sleeper, () => report({ type: 'input' }));
  const known = (): GuestMemory => memory() ?? new GuestMemory(new WebAssembly.Memory({ initial: 0 }));
  const served = servePoll(serveStdin(output, stdin, known), { stdin, sleeper, memory: known });
  return withMigrationPoints(served, bell, () => visits.visit(false));
}

function trapped(cause: unknown): ReturnType<typeof asJson> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const lines = cause instanceof Error ? (cause.stack ?? '').split('\n') : [];
  const stack = lines.filter((line) => line.includes('wasm://')).map((line) => line.trim());
  return new WgraftError('WGRAFT_ERR_PROGRAM_TRAPPED', {
    program: input.options.name,
    reason,
    stack,
  }).toJSON();
}
