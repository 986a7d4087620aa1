// Brotli (Rust, wasm-bindgen): compresses and decompresses text and bytes, whole and as a stream, and refuses rubbish.

import type * as Brotli from 'brotli-wasm';
import { digest, numbers } from './digest.ts';
import { freshImport, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const brotli: Workload = { name: 'brotli', traits: ['rust', 'wasm-bindgen'], start };

type Web = typeof Brotli & { default(bytes: Uint8Array): Promise<unknown> };

async function start(loader: Loader): Promise<Running> {
  const program = await freshImport<Web>('brotli-wasm', 'pkg.web/brotli_wasm.js');
  const bytes = readPackageFile('brotli-wasm', 'pkg.web/brotli_wasm_bg.wasm');
  await loadThrough(loader, () => program.default(bytes));
  return { work: async (scale = 1) => work(program, Math.ceil(120_000 * scale)) };
}

function work(program: Web, size: number): string {
  const input = text(size);
  const packed = [1, 5, 9].map((quality) => program.compress(input, { quality }));
  const back = packed.map((bytes) => digest(program.decompress(bytes)));
  const streamed = stream(program, input);
  const whole = digest(input);
  const same = back.every((d) => d === whole) && digest(program.decompress(streamed)) === whole;
  return `${size} bytes became ${packed.map((p) => p.length)}, ${digest([...packed, streamed].map(digest))}, back ${same}, ${refusal(program)}`;
}

function stream(program: Web, input: Uint8Array): Uint8Array {
  const compressor = new program.CompressStream(4);
  const out: number[] = [];
  for (let at = 0; at < input.length; at += 5000) {
    const result = compressor.compress(input.subarray(at, at + 5000), 8192);
    out.push(...result.buf);
  }
  for (;;) {
    const result = compressor.compress(undefined, 8192);
    out.push(...result.buf);
    if (result.code === program.BrotliStreamResultCode.ResultSuccess) break;
  }
  compressor.free();
  return Uint8Array.from(out);
}

function refusal(program: Web): string {
  try {
    program.decompress(Uint8Array.of(0xff, 0xff, 0x00, 0x12));
    return 'accepts rubbish';
  } catch (error) {
    return String(error);
  }
}

/** Half words from a small vocabulary, half bytes that hardly compress. */
function text(size: number): Uint8Array {
  const random = numbers(3);
  const words = Array.from({ length: 400 }, (_, i) => `${(i * 48271).toString(36)} `);
  const half: string[] = [];
  for (let length = 0; length < size / 2; length += half.at(-1)?.length ?? 1)
    half.push(words[Math.floor(random() ** 2 * words.length)] ?? '');
  const bytes = new Uint8Array(size);
  const encoded = new TextEncoder().encode(half.join('')).subarray(0, size);
  bytes.set(encoded);
  for (let i = encoded.length; i < size; i++) bytes[i] = random() * 256;
  return bytes;
}
