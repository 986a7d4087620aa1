// libwebp's encoder (C++, Emscripten with embind): compresses a picture, with loss at two qualities and without.

import { digest, numbers } from './digest.ts';
import { freshImport, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const webp: Workload = { name: 'webp', traits: ['c++', 'emscripten', 'embind', 'image codec'], start };

const packageName = '@jsquash/webp/package.json';

interface Codec {
  encode(pixels: Uint8ClampedArray, width: number, height: number, options: object): Uint8Array | null;
}

/** What the package's loader exports; its types are those of its own wrapper. */
interface Glue {
  default(options: object): Promise<Codec>;
}

async function start(loader: Loader): Promise<Running> {
  const glue = await freshImport<Glue>(packageName, 'codec/enc/webp_enc.js');
  const { defaultOptions } = await freshImport<{ defaultOptions: object }>(packageName, 'meta.js');
  const wasmBinary = readPackageFile(packageName, 'codec/enc/webp_enc.wasm');
  const codec = await loadThrough(loader, () => glue.default({ noInitialRun: true, wasmBinary }));
  return { work: async (scale = 1) => work(codec, defaultOptions, Math.ceil(120 * Math.sqrt(scale))) };
}

function work(codec: Codec, defaults: object, size: number): string {
  const pixels = picture(size);
  const encode = (options: object): string => {
    const file = codec.encode(pixels, size, size, { ...defaults, ...options });
    return file === null ? 'refused' : `${file.length} bytes ${digest(file)}`;
  };
  return [{}, { quality: 40, method: 6 }, { lossless: 1 }].map(encode).join(', ');
}

/** Soft colours with edges and some noise. */
function picture(size: number): Uint8ClampedArray {
  const random = numbers(5);
  const pixels = new Uint8ClampedArray(size * size * 4);
  for (let i = 0; i < size * size; i++) {
    const [x, y] = [i % size, Math.floor(i / size)];
    const edge = (x >> 4) % 3 === (y >> 3) % 2 ? 90 : 0;
    pixels.set([x + edge, y + edge, (x * y) / size + random() * 12, 255], i * 4);
  }
  return pixels;
}
