// What of the error table's texts takes more than a line to make.

import type { ErrorDetails } from './error-details.ts';

type Layout = ErrorDetails<'WGRAFT_ERR_LAYOUT_CHANGED'>;

/** @see WGRAFT_ERR_LAYOUT_CHANGED */
export function layoutChanged({ struct, fields, others }: Layout): string {
  const more = others.length === 0 ? '' : ` (changed too: ${someOf(others, ', ')})`;
  return `the layout of ${struct} changed, and objects that are alive have the old one: ${someOf(fields, '; ')}${more}`;
}

export function layoutHint({ struct, others }: Layout): string {
  const which = others.length > 0 ? 'all' : nameOfStruct(struct);
  return `if none is alive when the patch is applied: --allow-layout ${which}; else make the fix without changing the layout, or restart`;
}

/** @see WGRAFT_ERR_LAYOUT_SUSPECTED */
export function layoutSuspected({
  functions,
  offsets,
  distance,
}: ErrorDetails<'WGRAFT_ERR_LAYOUT_SUSPECTED'>): string {
  const where = functions.map((f) => `"${f}"`);
  const moved = `${Math.abs(distance)} bytes ${distance > 0 ? 'further on' : 'further up'}`;
  return `a struct seems to have another layout, and objects that are alive have the old one: the same code now looks ${moved} for what was at offset ${someOf(offsets, ', ')} (in ${someOf(where, ', ')})`;
}

export const suspectedHint: string =
  'build both with -g: then the struct is named; if no object of it is alive when the patch is applied: --allow-layout all';

/** @see WGRAFT_ERR_ORIGINAL_PATCHED */
export function originalPatched({
  patch,
  does,
  functions,
  below,
}: ErrorDetails<'WGRAFT_ERR_ORIGINAL_PATCHED'>): string {
  const which = someOf(functions, ', ');
  const others = below.map((name) => `"${name}"`).join(', ');
  const gone = 'that would be switched off';
  const said = {
    calls: `calls the originals of what it replaces (${which}), which ${others} replaces`,
    brings: `brings functions along as the program was built (${which}), which ${others} replaces`,
    hides: `replaces ${which}, which ${others} brings along for what it changes elsewhere`,
    bypasses: `calls ${which} directly, which ${others} replaces in the program's table`,
    bypassed: `replaces ${which} in the program's table, which ${others} calls directly`,
  };
  return `patch "${patch}" ${said[does]}: ${gone}`;
}

/** @see WGRAFT_ERR_CONSTANT_REPLACED */
export function constantReplaced(d: ErrorDetails<'WGRAFT_ERR_CONSTANT_REPLACED'>): string {
  const variables = `new ${d.variables.length === 1 ? 'variable' : 'variables'} ${someOf(d.variables, ', ')}`;
  return `"${d.function}" reads the ${variables} where it had the constant ${someOf(d.constants, ', ')}: what the program made with that may not be found with another value`;
}

export function constantHint({ variables }: ErrorDetails<'WGRAFT_ERR_CONSTANT_REPLACED'>): string {
  return `if nothing that is alive was made with the constant: --allow-new-state ${variables[0] ?? 'all'}; else a fix that keeps it, or a restart`;
}

/** The first few of a list that may be long; `details` has them all. */
function someOf(items: readonly (string | number)[], separator: string): string {
  const shown = 6;
  const rest = items.length - shown;
  return items.slice(0, shown).join(separator) + (rest > 0 ? `${separator}and ${rest} more` : '');
}

/** `internal_state` of `struct internal_state`, quoted for a shell where it has to be. */
function nameOfStruct(struct: string): string {
  const name = struct.slice(struct.indexOf(' ') + 1);
  return /^[\w:.-]+$/.test(name) ? name : `'${name}'`;
}
