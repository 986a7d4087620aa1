// Hashes of messages that come in two parts: every hasher of this package has an instance of its own.

import { SHA256 } from 'as-sha256-1.1';

const message = (length) => new Uint8Array(length).map((_, i) => i * 7);
const digest = (hasher) => Buffer.from(hasher.final()).toString('hex');

export async function start() {
  let begun;
  return (line) => {
    const [what, length] = [line.split(' ')[0], Number(line.split(' ')[1])];
    if (what === 'hash') return digest(new SHA256().init().update(message(length)));
    if (what === 'end') return digest(begun.update(message(length).subarray(70)));
    begun = new SHA256().init().update(message(length).subarray(0, 70));
    return null;
  };
}
