// Lint: strict, type-checked, and the rules that keep the kernel what it is.
import tseslint from 'typescript-eslint';

const kernelNames = {
  selector: 'default',
  format: null,
  custom: {
    regex: '^(_{0,2}[a-z][a-z0-9_]*|_{0,2}[A-Za-z][A-Za-z0-9]*|_{0,2}[A-Z][A-Za-z0-9_]*|PG_[a-z_]+)$',
    match: true,
  },
};

export default tseslint.config(
  // The trace viewer's loader is a script of its own, around a package without types.
  {
    ignores: [
      'test/support/trace-viewer.cjs',
      'dist/**',
      'dist.*/**',
      'coverage/**',
      'node_modules/**',
      '.build/**',
      '*.js',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { project: ['./tsconfig.test.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      'require-yield': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/naming-convention': [
        'error',
        {
          selector: ['function', 'variable', 'parameter', 'method', 'classProperty'],
          format: ['camelCase', 'PascalCase', 'UPPER_CASE'],
          leadingUnderscore: 'allow',
        },
        { selector: 'variable', modifiers: ['destructured'], format: null },
        { selector: 'import', format: null },
        { selector: 'typeLike', format: ['PascalCase'], leadingUnderscore: 'allow' },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: false }],
      '@typescript-eslint/prefer-for-of': 'off',
    },
  },
  {
    // snake_case means: Linux has this name.
    files: ['src/kernel/**/*.ts'],
    rules: {
      '@typescript-eslint/naming-convention': ['error', kernelNames],
      'no-restricted-globals': [
        'error',
        { name: 'Atomics', message: 'Only src/kernel/memory.ts names Atomics.' },
        'Date',
      ],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // It is a Processor, whose members the kernel names.
    files: ['src/explore/thread-cpu.ts'],
    rules: { '@typescript-eslint/naming-convention': ['error', kernelNames] },
  },
  { files: ['src/kernel/memory.ts'], rules: { 'no-restricted-globals': 'off' } },
  {
    // Words, frames and events are read by index from arrays whose bounds the layout fixes.
    files: [
      'src/{kernel,machine,check,explore,recording,conform}/**/*.ts',
      'src/report/{machine-state,timeline}.ts',
      'test/**/*.ts',
    ],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['src/!(kernel)/**/*.ts', 'workers/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', { selector: 'YieldExpression', message: 'Only src/kernel yields.' }] },
  },
  {
    // Threads that tests start themselves, and locking designs as users write them: no types, so no rules about them.
    files: ['test/**/*.mjs', 'test/**/*.js'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: { parserOptions: { project: false } },
  },
  {
    // What people explore besides the kernel is stepped as well: the accesses, the programs that come with it, and what
    // makes programs of the methods of a class.
    files: ['src/explore/accesses.ts', 'src/explore/{litmus,programs}/**/*.ts', 'src/testing/explored.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: { 'max-lines-per-function': 'off', 'max-lines': 'off' },
  },
);
