// The binaryen engine: additions come from splice, guards go in through binaryen's IR. binaryen works in a thread of its
// own and sees no custom section but names and code metadata; the others are put back as splice left them.

import { Worker } from 'node:worker_threads';
import { WgraftError } from '../errors.ts';
import {
  readModule,
  readSections,
  readValType,
  sectionIds,
  sectionReader,
  type WasmModule,
  Writer,
} from '../wasm/index.ts';
import type { Places } from './additions.ts';
import type { GuardJob, GuardReply } from './binaryen-protocol.ts';
import { adopt, isForBinaryen } from './binaryen-result.ts';
import { customSections, describeOriginals } from './original-sections.ts';
import { isGuarded, type Plan } from './plan.ts';
import { splice } from './splice.ts';

type Progress = (phase: string, fraction?: number) => void;

/** Writes the prepared module, all but its slot map and build id. @throws WGRAFT_ERR_ENGINE_UNSUITABLE */
export async function rewriteWithBinaryen(
  m: WasmModule,
  plan: Plan,
  onProgress: Progress,
): Promise<{ out: Writer; dropped: readonly string[] }> {
  refuseGcTypes(m);
  const { out, places, dropped } = splice(m, plan, { guards: false });
  const spliced = readModule(out.release());
  const emitted = readModule(await addGuards(jobFor(spliced, m, plan, places), onProgress));
  const { out: adopted, dropped: lost } = adopt(emitted, spliced, { plan, places });
  const bytes = adopted.view();
  const { name, payload } = describeOriginals(m, customSections(bytes, readSections(bytes)));
  return { out: adopted.custom(name, payload), dropped: [...dropped, ...lost] };
}

/**
 * binaryen.js can write a call_indirect only with a type made of parameters and results. In a module with recursion
 * groups or subtypes that is not the type that the callee declares: the module is valid, and the redirect traps.
 */
function refuseGcTypes(m: WasmModule): void {
  const section = m.sections.find((s) => s.id === sectionIds.type);
  if (section === undefined) return;
  const r = sectionReader(m.bytes, section);
  r.vector('types', () => {
    if (r.u8() !== plainFunction) {
      const reason = 'it declares GC types (struct, array, rec or sub)';
      throw new WgraftError('WGRAFT_ERR_ENGINE_UNSUITABLE', { engine: 'binaryen', reason });
    }
    r.vector('parameters', () => readValType(r));
    r.vector('results', () => readValType(r));
  });
}

const plainFunction = 0x60;

function jobFor(spliced: WasmModule, { functions: types }: WasmModule, plan: Plan, places: Places): GuardJob {
  const guarded = plan.functions.filter(isGuarded);
  const kept = new Writer(spliced.bytes.length).raw(spliced.bytes.subarray(0, 8));
  for (const s of spliced.sections) {
    if (s.id === sectionIds.custom && !isForBinaryen(s.name)) continue;
    kept.copy(spliced.bytes, s.start, s.end);
  }
  return {
    bytes: kept.release(),
    hasNames: spliced.sections.some((s) => s.id === sectionIds.custom && s.name === 'name'),
    functions: Uint32Array.from(guarded, (f) => f.moved),
    redirects: Uint32Array.from(guarded, (f) => places.redirects.get(types[f.index] ?? 0)?.index ?? 0),
    firstSlot: places.firstSlot,
    word: places.word,
  };
}

/** Types are stripped from the thread's file as from this one; in the published package both are JavaScript. */
const workerFile = new URL(
  import.meta.url.endsWith('.ts') ? './binaryen-worker.ts' : './binaryen-worker.js',
  import.meta.url,
);

async function addGuards(job: GuardJob, onProgress: Progress): Promise<Uint8Array> {
  const worker = new Worker(workerFile, {
    workerData: job,
    transferList: [job.bytes.buffer],
    execArgv: [],
    stdout: true,
    stderr: true,
  });
  try {
    return await resultOf(worker, onProgress);
  } finally {
    await worker.terminate();
  }
}

function resultOf(worker: Worker, onProgress: Progress): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const unsuitable = (reason: string): void =>
      reject(new WgraftError('WGRAFT_ERR_ENGINE_UNSUITABLE', { engine: 'binaryen', reason }));
    worker.on('message', (reply: GuardReply) => {
      if (reply.kind === 'done') resolve(reply.bytes);
      else if (reply.kind === 'failed') unsuitable(reply.reason);
      else onProgress(reply.phase, reply.fraction);
    });
    worker.on('error', (error) => unsuitable(error instanceof Error ? error.message : String(error)));
    worker.on('exit', (code) => unsuitable(`its thread ended with exit code ${code}`));
  });
}
