// dart_fmt (Dart compiled to Wasm GC): structs, arrays, recursion groups, typed function references, legacy exception
// handling, thousands of imported constant strings. Formats generated sources.

import { digest } from './digest.ts';
import { freshImport, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const dartFmt: Workload = {
  name: 'dart_fmt',
  traits: ['dart', 'gc', 'call_ref', 'legacy exceptions'],
  start: (loader) => start(loader, 'dart_fmt.wasm'),
  named: (loader) => start(loader, 'dart_fmt.unopt.wasm'),
};

interface App {
  invokeMain(): void;
}

/** What the compiler's own loader exports; the package has no types for it. */
interface Glue {
  compile(bytes: Uint8Array): Promise<{ module: WebAssembly.Module; instantiate(): App }>;
  formatWrapper(app: App, source: string, file?: string, config?: { line_width?: number }): string;
}

async function start(loader: Loader, file: string): Promise<Running> {
  const packageName = '@wasm-fmt/dart_fmt/package.json';
  const glue = await freshImport<Glue>(packageName, 'dart_fmt.mjs');
  const bytes = readPackageFile(packageName, file);
  // `compile` asks for the engine's string builtins, with which this program traps; the package compiles without them.
  // So an empty module gives the loader's object, and the real one takes its place.
  const compiled = await glue.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  const app = await loadThrough(loader, async () => {
    compiled.module = new WebAssembly.Module(bytes);
    return compiled.instantiate();
  });
  app.invokeMain();
  return { work: async (scale = 1) => work(glue, app, Math.ceil(12 * scale)) };
}

function work(glue: Glue, app: App, classes: number): string {
  const source = text(classes);
  const wide = glue.formatWrapper(app, source, 'a.dart', { line_width: 120 });
  const narrow = glue.formatWrapper(app, source, 'a.dart', { line_width: 60 });
  const again = glue.formatWrapper(app, narrow, 'a.dart', { line_width: 60 });
  const results = { wide: digest(wide), narrow: digest(narrow), isStable: narrow === again };
  return `${source.length} characters, ${JSON.stringify(results)}, ${refusal(glue, app)}`;
}

function refusal(glue: Glue, app: App): string {
  try {
    glue.formatWrapper(app, 'void main( { class }');
    return 'accepts a broken source';
  } catch (error) {
    return digest(String(error));
  }
}

const text = (classes: number): string =>
  Array.from(
    { length: classes },
    (_, i) => `
/// Class number ${i}.
class Shape${i}<T extends Comparable<T>> extends Base with Mixin implements Other {
final List<Map<String,T>> values; static const limit=${i * 37};
Shape${i}({required this.values,super.key}):assert(values.length<limit);
Future<int> area(int a,{String? name='unnamed ${i}',required void Function(T,int) callback}) async { var total=0;
for(final v in values.where((e)=>e.isNotEmpty&&e.length<${i}).map((e)=>e.values.first).toList()..sort()){ try{ total+=await compute(v,a*${i}+total%7); callback(v,total);} on FormatException catch(e,s){ log('failed \${e.message} at $s',name:name??'',level:${i});rethrow;} finally{ total--; } }
return switch((a,total)){ (0,_)=>0,(var x,>10) when x.isEven=>x*2,(int x,int y)=>x+y }; } }
`,
  ).join('\n');
