// LLVM's objdump, as an independent reader of symbols and relocations (from @yowasp/clang).

/** What `llvm-objdump FLAG module.wasm` prints, line by line, headings left out. */
export async function objdump(flag: '-r' | '-t', wasm: Uint8Array): Promise<string[]> {
  const { commands } = await import('@yowasp/clang');
  let text = '';
  const decoder = new TextDecoder();
  await commands.objdump(
    [flag, 'module.wasm'],
    { 'module.wasm': wasm },
    {
      stdout: (bytes) => {
        if (bytes !== null) text += decoder.decode(bytes);
      },
      decodeASCII: false,
      fetchProgress: () => {},
    },
  );
  return text.split('\n').filter((line) => /^[0-9a-f]{8,16} /.test(line) || line.startsWith('RELOCATION'));
}
