// What the bundler resolves and the compiler does not: pages' components, and the erased kernel.
declare module '*.svelte' {
  import type { Component } from 'svelte';

  const component: Component;
  export default component;
}

declare module '*.css';

declare module '@erased-kernel';
