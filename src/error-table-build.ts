// The part of the error table that is about building patches.

import type { BuildErrors } from './error-details.ts';
import type { Entries } from './error-entry.ts';
import {
  constantHint,
  constantReplaced,
  layoutChanged,
  layoutHint,
  layoutSuspected,
  suspectedHint,
} from './error-phrases.ts';

export const buildErrors: Entries<BuildErrors> = {
  WGRAFT_ERR_OPTION_INVALID: {
    message: (d) => `invalid ${d.option}: ${d.reason}`,
    exit: 'usage',
  },
  WGRAFT_ERR_FUNCTION_UNKNOWN: {
    message: (d) => `the program has no function "${d.function}"`,
    hint: (d) =>
      d.near.length === 0
        ? 'name it as `wgraft inspect -v` does, or by its index: #INDEX'
        : `did you mean ${d.near.map((n) => `"${n}"`).join(' or ')}?`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_FUNCTION_AMBIGUOUS: {
    message: (d) => `the program has ${d.candidates.length} functions "${d.function}"`,
    hint: (d) => `say which: ${d.candidates.map((c) => `"${c.reference}" (#${c.index})`).join(', ')}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SLOT_MISSING: {
    message: (d) => `"${d.function}" has no slot: ${d.reason}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SIGNATURE_CHANGED: {
    message: (d) => `the replacement of "${d.function}" in ${d.file} has type ${d.found}, not ${d.expected}`,
    hint: 'a replacement has exactly the type of the function that it replaces',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_REPLACEMENT_MISSING: {
    message: (d) => `${d.file} has no function that replaces "${d.function}"`,
    hint: (d) =>
      (d.found.length === 0 ? '' : `it defines ${d.found.join(', ')}; `) +
      'name or export the replacement like the function that it replaces' +
      (d.language === 'c' ? '; in C it must not be static' : ''),
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SOURCE_INVALID: {
    message: (d) => `${d.file} does not compile:\n${d.errors}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SOURCE_UNSUPPORTED: {
    message: (d) => `${d.file} cannot become a patch: ${d.what}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_UNRESOLVED: {
    message: (d) => `import ${d.import} of ${d.file} cannot be resolved: ${d.reason}`,
    hint: (d) => d.remedy,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_TYPE: {
    message: (d) =>
      `import ${d.import} of ${d.file} is declared ${d.found}, the ${d.owner ?? 'program'} has ${d.expected}`,
    hint: (d) => `declare it as the ${d.owner ?? 'program'} has it`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_IMPORT_NOT_ALLOWED: {
    message: (d) => `${d.file} imports "${d.import}", which the program does not import`,
    hint: (d) =>
      `what the program itself has is imported from "target"; if the host is to give it to the patch, allow it by name: --allow-import ${d.import}`,
    exit: 'notPatchable',
  },
  WGRAFT_ERR_COMPILER_MISSING: {
    message: (d) => `C sources need ${d.package}, which is not installed`,
    hint: (d) => `npm install --save-dev ${d.package}`,
    exit: 'failed',
  },
  WGRAFT_ERR_SYMBOLS_MISSING: {
    message: (d) =>
      `${d.file} uses the program's data ${d.symbols.map((s) => `"${s}"`).join(', ')}, whose addresses are not known`,
    hint: 'give the original build, linked with --emit-relocs: its symbol table has the addresses (--symbols ORIGINAL.wasm)',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NOTHING_CHANGED: {
    message: (d) =>
      d.exports !== undefined
        ? `the new build has more exports, which a running instance cannot gain, and no other change: ${d.exports.join(', ')}`
        : d.lines === 0
          ? 'the two builds do the same: no function and no data changed'
          : `only line numbers of assertions changed (in ${d.lines} functions)`,
    exit: 'nothingToDo',
  },
  WGRAFT_ERR_DATA_CHANGED: {
    message: (d) =>
      d.how === 'size'
        ? `the variable "${d.symbol}" has another size: ${d.old} bytes became ${d.new}`
        : `the variable "${d.symbol}" starts with another value in the new build; the running program keeps what it has`,
    hint: (d) =>
      d.how === 'size'
        ? 'a running program keeps its variables: make the fix without changing this one, or restart'
        : 'if the running value may stay, or a callback of the patch sets it: --keep-data NAME (or --keep-data all)',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_LAYOUT_CHANGED: { message: layoutChanged, hint: layoutHint, exit: 'notPatchable' },
  WGRAFT_ERR_LAYOUT_SUSPECTED: { message: layoutSuspected, hint: suspectedHint, exit: 'notPatchable' },
  WGRAFT_ERR_CONSTANT_REPLACED: { message: constantReplaced, hint: constantHint, exit: 'notPatchable' },
  WGRAFT_ERR_START_CODE_CHANGED: {
    message: (d) => `"${d.function}" changed, which runs only when a program starts`,
    hint: 'a running program has started already: this change needs a restart',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_EXPORT_CHANGED: {
    message: (d) => `the export "${d.export}" is "${d.new}" in the new build, "${d.old}" in the old one`,
    hint: 'the host holds the function that it got: keep the name, or replace what the old function does',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NOT_REACHABLE: {
    message: (d) => `"${d.function}" would have to be replaced, and can have no slot under any policy`,
    hint: "its compiler was told to leave it alone (no_instrument_function), or its body is at the engine's limit: build the program without that, or make the fix in functions that it calls",
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SYMBOL_AMBIGUOUS: {
    message: (d) => `the builds have several things called "${d.symbol}", and which is which cannot be told`,
    hint: 'give static functions and variables that share a name different names, in both builds',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_SYMBOLS_UNSUITABLE: {
    message: (d) => `the symbols do not fit the target: ${d.reason}`,
    hint: 'they must be the very module that was prepared, linked with --emit-relocs',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_ADDRESS_UNKNOWN: {
    message: (d) =>
      `the builds have no relocations, and ${d.function === undefined ? '' : `in "${d.function}" `}${d.reason}`,
    hint: 'link both builds with -Wl,--emit-relocs (Rust: -C link-arg=--emit-relocs) and keep wasm-opt and strip away from them: then every address has a name',
    exit: 'notPatchable',
  },
  WGRAFT_ERR_NO_ALLOCATOR: {
    message: (d) =>
      `${d.sizeBytes === 0 ? 'shadow variables need room in' : `the patch needs ${d.sizeBytes} bytes of`} the program's memory, and nothing says where they can safely be: ${d.reason}`,
    hint: 'if you know: --allocator malloc=NAME, --allocator malloc=#INDEX or --allocator grow',
    exit: 'notPatchable',
  },
};
