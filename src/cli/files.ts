// Files in and out, with `-` for stdin and stdout. A size limit holds before anything is read.

import type { Stats } from 'node:fs';
import { open, stat, writeFile } from 'node:fs/promises';
import { reasonOf, WgraftError } from '../errors.ts';
import { withMore } from './output.ts';

/** The files that this command has read: it never writes over one of them. */
const inputs = new Set<string>();

function identity({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Reads a whole file. @throws WGRAFT_ERR_FILE */
export async function readInput(file: string): Promise<Uint8Array<ArrayBuffer>> {
  if (file === '-') return collect(process.stdin, Number.POSITIVE_INFINITY);
  return withFile(file, async (handle) => new Uint8Array(await handle.readFile()));
}

/**
 * Reads a module, where a command has several files: what is no module is refused here, by the name of its file.
 * @throws WGRAFT_ERR_FILE, WGRAFT_ERR_WASM_MALFORMED
 */
export async function readModuleInput(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readInput(file);
  const { readSections } = await import('../wasm/index.ts');
  try {
    readSections(bytes);
  } catch (error) {
    throw WgraftError.is(error) ? withMore(error, { lines: [`in ${file}`], fields: { file } }) : error;
  }
  return bytes;
}

/**
 * Reads a patch: a look at its first bytes and its size, and only then the rest.
 * @throws WGRAFT_ERR_FILE, WGRAFT_ERR_NOT_A_PATCH, WGRAFT_ERR_PATCH_TOO_LARGE
 */
export async function readPatchInput(file: string, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  if (file === '-') {
    const bytes = await collect(process.stdin, limitBytes);
    refuseOther(bytes);
    return bytes;
  }
  return withFile(file, async (handle) => {
    const found = await handle.stat();
    if (found.isFile()) {
      const start = new Uint8Array(8);
      await handle.read(start, 0, start.length, 0);
      refuseOther(start);
      refuseLarge(found.size, limitBytes);
    }
    const bytes = await collect(handle.createReadStream({ autoClose: false }), limitBytes);
    refuseOther(bytes);
    return bytes;
  });
}

async function withFile<T>(
  file: string,
  use: (handle: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  try {
    await using handle = await open(file);
    inputs.add(identity(await handle.stat()));
    return await use(handle);
  } catch (cause) {
    if (WgraftError.is(cause)) throw cause;
    throw new WgraftError('WGRAFT_ERR_FILE', { file, doing: 'read', reason: reasonOf(cause) }, { cause });
  }
}

/** Reads to the end, or past the limit: a pipe or a device does not say its size. */
async function collect(stream: AsyncIterable<Buffer>, limitBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    sizeBytes += chunk.length;
    refuseLarge(sizeBytes, limitBytes);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function refuseOther(start: Uint8Array): void {
  const magic = [0x00, 0x61, 0x73, 0x6d];
  if (magic.every((byte, i) => start[i] === byte)) return;
  throw new WgraftError('WGRAFT_ERR_NOT_A_PATCH', { reason: 'it is no WebAssembly module at all' });
}

function refuseLarge(sizeBytes: number, limitBytes: number): void {
  if (sizeBytes > limitBytes) throw new WgraftError('WGRAFT_ERR_PATCH_TOO_LARGE', { sizeBytes, limitBytes });
}

/** Writes a result file, whole or not at all. @throws WGRAFT_ERR_FILE, also for a file that was read */
export async function writeOutput(file: string, bytes: Uint8Array): Promise<void> {
  if (file === '-') {
    await new Promise<void>((resolve) => process.stdout.write(bytes, () => resolve()));
    return;
  }
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined && inputs.has(identity(found))) {
    const reason = 'it is one of the files that were read; give another name';
    throw new WgraftError('WGRAFT_ERR_FILE', { file, doing: 'write', reason });
  }
  try {
    const { default: writeFileAtomic } = await import('write-file-atomic');
    // Only a file can be replaced by a rename; a device or a pipe has to be written to.
    if (found === undefined || found.isFile()) await writeFileAtomic(file, Buffer.from(bytes));
    else await writeFile(file, bytes);
  } catch (cause) {
    throw new WgraftError('WGRAFT_ERR_FILE', { file, doing: 'write', reason: reasonOf(cause) }, { cause });
  }
}
