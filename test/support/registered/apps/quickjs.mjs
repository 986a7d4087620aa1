// A JavaScript interpreter that keeps its globals.

import release from '@jitl/quickjs-wasmfile-release-sync';
import { newQuickJSWASMModuleFromVariant } from 'quickjs-emscripten-core';

export async function start() {
  const quickjs = await newQuickJSWASMModuleFromVariant(release);
  const context = quickjs.newContext();
  return (line) => {
    const handle = context.unwrapResult(context.evalCode(line));
    return [context.getNumber(handle), context.getString(handle)];
  };
}
