// Are two shared memories, each posted to this thread by another one, the same? They are different objects, and nothing that can be
// asked of them says it; but who waits at an address of one is woken through the other. Nothing is written for that.

/** Two places: a thread of the program that happens to wait at one of them is woken for nothing, which such threads must expect. */
const places = [0x9d4c / 4, 0x5b38 / 4];

export function isSameMemory(a: WebAssembly.Memory, b: WebAssembly.Memory): boolean {
  const [one, other] = [wordsOf(a), wordsOf(b)];
  if (one === undefined || other === undefined) return false;
  return places.every((place) => wakesAcross(one, other, place));
}

function wakesAcross(one: Words, other: Words, place: number): boolean {
  while (!one.waits(place)); // the program has just written there
  const isWoken = Atomics.notify(other.words, place) > 0;
  if (!isWoken) Atomics.notify(one.words, place);
  return isWoken;
}

interface Words {
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Begins to wait. */
  waits(place: number): boolean;
}

/** TypeScript's `lib` for the targets that wgraft has does not know it. */
type WaitAsync = (
  words: Int32Array<SharedArrayBuffer>,
  at: number,
  value: number,
) => { readonly async: boolean };
const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync };

/** Undefined where it is too small to hold the places. */
function wordsOf({ buffer }: WebAssembly.Memory): Words | undefined {
  if (buffer.byteLength < 65536) return undefined;
  const words = new Int32Array(buffer as unknown as SharedArrayBuffer);
  return { words, waits: (place) => waitAsync(words, place, Atomics.load(words, place)).async };
}
