// What has become of a struct's members, in words.

import type { Member, StructLayout } from './layouts.ts';

/** What an object of the old layout lacks for code of the new one, one statement each; none where it will do. */
export function changesOf(old: StructLayout, next: StructLayout): string[] {
  const { gone, differing, moved } = compareMembers(old, next);
  const resized = old.size !== next.size;
  if (gone.length + differing.length + moved.length === 0 && !resized) return [];
  const added = addedTo(old, next);
  const heirs = new Map(gone.map((o) => [o, added.find((m) => m.offset === o.offset && sameBits(o, m))]));
  const isAtEnd = (m: Member): boolean => resized && (m.offset ?? 0) >= (old.size ?? 0);
  const inserted = added.filter((m) => ![...heirs.values()].includes(m) && !isAtEnd(m));
  return [
    ...[...heirs].map(([o, heir]) => showGone(o, heir)),
    ...inserted.map((m) => `"${m.name}" (${m.type}) is new ${placeOf(m)}`),
    ...differing.map(({ old: o, new: n }) => showDifference(o, n)),
    ...inRows(moved).map(showMoves),
    ...(resized ? [showSizes(old, next, added.filter(isAtEnd))] : []),
  ];
}

/** Members of names that the old layout has not. */
export function addedTo(old: StructLayout, next: StructLayout): Member[] {
  const names = new Set(old.members.map((m) => m.name));
  return next.members.filter((m) => !names.has(m.name));
}

interface Pair {
  readonly old: Member;
  readonly new: Member;
}

interface Fates {
  readonly gone: Member[];
  readonly differing: Pair[];
  /** Only moved. */
  readonly moved: Pair[];
}

function compareMembers(old: StructLayout, next: StructLayout): Fates {
  const fates: Fates = { gone: [], differing: [], moved: [] };
  const now = new Map<string, Member[]>();
  for (const m of next.members) now.set(m.name, [...(now.get(m.name) ?? []), m]);
  for (const o of old.members) {
    // Nested nameless structs may repeat a name, so may base classes.
    const candidates = now.get(o.name) ?? [];
    const n = candidates.find((m) => hasMoved(o, m) === false && sameShape(o, m)) ?? candidates[0];
    if (n === undefined) fates.gone.push(o);
    else if (!sameShape(o, n)) fates.differing.push({ old: o, new: n });
    else if (hasMoved(o, n)) fates.moved.push({ old: o, new: n });
  }
  return fates;
}

function hasMoved(o: Member, n: Member): boolean {
  return o.offset !== n.offset || o.bits?.first !== n.bits?.first;
}

function sameShape(o: Member, n: Member): boolean {
  return o.size === n.size && o.representation === n.representation && o.bits?.count === n.bits?.count;
}

function sameBits(o: Member, n: Member): boolean {
  return o.bits?.first === n.bits?.first && o.bits?.count === n.bits?.count;
}

/** Members that moved together, as all do that follow a new one. */
function inRows(moved: readonly Pair[]): Pair[][] {
  const rows: Pair[][] = [];
  for (const pair of moved) {
    const row = rows.at(-1);
    const last = row?.at(-1);
    if (last !== undefined && distance(last) === distance(pair)) row?.push(pair);
    else rows.push([pair]);
  }
  return rows;
}

/** In bits. */
function distance({ old: o, new: n }: Pair): number {
  return 8 * ((n.offset ?? 0) - (o.offset ?? 0)) + (n.bits?.first ?? 0) - (o.bits?.first ?? 0);
}

function showMoves(row: readonly Pair[]): string {
  const [first, last] = [row[0], row.at(-1)];
  if (first === undefined || last === undefined) return '';
  if (row.length === 1) return showDifference(first.old, first.new);
  const bits = distance(first);
  const length = bits % 8 === 0 ? count(Math.abs(bits) / 8, 'byte') : count(Math.abs(bits), 'bit');
  const way = bits > 0 ? `${length} further` : `${length} back`;
  return `${row.length} members from "${first.old.name}" to "${last.old.name}" moved ${way}`;
}

function showGone(o: Member, heir: Member | undefined): string {
  const gone = `"${o.name}" (${o.type}) ${placeOf(o)} is gone`;
  return heir === undefined ? gone : `${gone}, "${heir.name}" (${heir.type}) is there instead`;
}

function showDifference(o: Member, n: Member): string {
  const parts: string[] = [];
  if (hasMoved(o, n)) parts.push(`moved from ${placeName(o)} to ${placeName(n)}`);
  if (o.bits?.count !== n.bits?.count || o.size !== n.size) parts.push(`had ${extent(o)}, has ${extent(n)}`);
  if (o.representation !== n.representation) parts.push(`was ${o.type}, is ${n.type}`);
  return `"${o.name}" ${parts.join(' and ')}`;
}

function showSizes(old: StructLayout, next: StructLayout, atEnd: readonly Member[]): string {
  const [a, b] = [old.size ?? 0, next.size ?? 0];
  if (b < a) return `it shrank from ${a} to ${b} bytes`;
  // Of a nameless struct at the end the name of the whole says enough.
  const names = atEnd.filter((m) => !m.name.includes('.')).map((m) => `"${m.name}"`);
  if (names.length === 0) return `it grew from ${a} to ${b} bytes: objects that are alive are too small`;
  return `it grew at its end from ${a} to ${b} bytes: objects that are alive have no room for ${names.join(', ')}`;
}

function placeOf(m: Member): string {
  return `at ${placeName(m)}`;
}

function placeName({ offset, bits }: Member): string {
  const byte = offset === undefined ? 'a place computed at run time' : `byte ${offset}`;
  return bits === undefined ? byte : `${byte}, bit ${bits.first}`;
}

function extent({ bits, size }: Member): string {
  if (bits !== undefined) return count(bits.count, 'bit');
  return size === undefined ? 'an unknown size' : count(size, 'byte');
}

function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}
