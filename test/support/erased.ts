// Runs the eraser over sources given as text, as the build does, so that its tests can show what goes in and comes out.
import ts from 'typescript';
import { erase } from '../../.build/erase.mjs';
import { inlineTable } from '../../.build/inline.mjs';

export interface Erased {
  /** The JavaScript of the first file, line for line as the source map counts them. */
  code: string;
  /** Its source map, as JSON. */
  map: string;
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  rewriteRelativeImportExtensions: true,
  noLib: true,
  sourceMap: true,
};

/** The twin of the first of `files` (name to text). `inlines: false` leaves calls and constants as they are. */
export function erased(files: Record<string, string>, { inlines = true } = {}): Erased {
  const sources = new Map(
    Object.entries(files).map(([name, text]) => {
      const path = `/kernel/${name}`;
      return [path, ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)];
    }),
  );
  const host: ts.CompilerHost = {
    getSourceFile: (path) => sources.get(path),
    getDefaultLibFileName: () => 'lib.d.ts',
    writeFile: () => undefined,
    getCurrentDirectory: () => '/kernel',
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    fileExists: (path) => sources.has(path),
    readFile: (path) => sources.get(path)?.text,
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  const [first] = sources.values();
  const out: Erased = { code: '', map: '' };
  const write = (name: string, text: string): void => {
    if (name.endsWith('.map')) out.map = text;
    else out.code = text.replace(/\n\/\/# sourceMappingURL=.*$/, '');
  };
  const transformer = inlines ? erase(inlineTable([...sources.values()]), program.getTypeChecker()) : erase();
  program.emit(first, write, undefined, false, { before: [transformer] });
  return out;
}
