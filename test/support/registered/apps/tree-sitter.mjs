// A parser and a grammar that it links dynamically.

import { Language, Parser } from 'web-tree-sitter';

export async function start(grammar) {
  await Parser.init();
  const language = await Language.load(grammar);
  const parser = new Parser().setLanguage(language);
  let parsed = 0;
  return (line) => {
    parsed += 1;
    return [parser.parse(line).rootNode.hasError, language.fieldCount > 0, parsed];
  };
}
