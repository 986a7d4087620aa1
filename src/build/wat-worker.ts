// Worker: parses WAT texts, one after the other, each with one parser, and answers with the module or with what the parser says.

import { parentPort } from 'node:worker_threads';
import { binaryenFeatures } from '../wasm/index.ts';

export interface WatJob {
  readonly parser: 'wabt' | 'binaryen';
  readonly text: string;
}

export type WatAnswer =
  | { readonly bytes: Uint8Array }
  | {
      /** True where the text could be read, but what it says is not valid. */
      readonly parsed: boolean;
      readonly errors: readonly {
        readonly line?: number;
        readonly column?: number;
        readonly message: string;
      }[];
    };

// parseWat sends nothing else, and the next one only after the answer.
parentPort?.on('message', async ({ parser, text }: WatJob) => {
  parentPort?.postMessage(await (parser === 'wabt' ? withWabt(text) : withBinaryen(text)));
});

async function withWabt(text: string): Promise<WatAnswer> {
  const { default: start } = await import('wabt');
  const wabt = await start();
  // function_references and gc are left out: wabt knows the flags, but its parser is not complete.
  const features = {
    exceptions: true,
    mutable_globals: true,
    sat_float_to_int: true,
    sign_extension: true,
    simd: true,
    threads: true,
    multi_value: true,
    tail_call: true,
    bulk_memory: true,
    reference_types: true,
    memory64: true,
    multi_memory: true,
    extended_const: true,
    relaxed_simd: true,
  };
  let parsed = false;
  try {
    // As bytes: wabt takes every character of a string for one byte.
    const module = wabt.parseWat('text', new TextEncoder().encode(text), features);
    parsed = true;
    // The .d.ts knows no parameter, but without the flags it refuses what parseWat accepted.
    (module as unknown as { validate(features: object): void }).validate(features);
    const { buffer } = module.toBinary({ write_debug_names: true });
    return { bytes: new Uint8Array(buffer) };
  } catch (error) {
    return { parsed, errors: wabtErrors(error instanceof Error ? error.message : String(error)) };
  }
}

/** `text:3:14: error: undefined function…`, each followed by the line and a caret. */
function wabtErrors(text: string): { line?: number; column?: number; message: string }[] {
  const found = [...text.matchAll(/^text:(\d+):(\d+): error: (.*)$/gm)];
  if (found.length === 0) return [{ message: plain(text) }];
  return found.slice(0, 10).map(([, line, column, message]) => ({
    line: Number(line),
    column: Number(column),
    message: message ?? '',
  }));
}

async function withBinaryen(text: string): Promise<WatAnswer> {
  const { default: binaryen } = await import('binaryen');
  binaryen.setDebugInfo(true);
  try {
    const module = binaryen.parseText(text);
    module.setFeatures(binaryenFeatures(binaryen.Features));
    return { bytes: module.emitBinary().slice() };
  } catch (error) {
    const { getExceptionMessage } = binaryen as unknown as { getExceptionMessage?: (e: unknown) => string[] };
    const message =
      error instanceof Error ? error.message : (getExceptionMessage?.(error)[1] ?? String(error));
    const [, line, column, what] = /(\d+):(\d+): (?:error: )?(.*)/s.exec(message) ?? [];
    if (line === undefined) return { parsed: false, errors: [{ message: plain(message) }] };
    return {
      parsed: false,
      errors: [{ line: Number(line), column: Number(column), message: (what ?? '').trim() }],
    };
  }
}

/** What a parser that ran out of stack says, in words that help. */
function plain(message: string): string {
  return /out of bounds|call stack|table index/.test(message)
    ? 'it is nested too deeply to be parsed'
    : message;
}
