// The lab's one script. In a page it is the lab; in a Web Worker, which the page starts from this same script, a thread
// of it.
import { mount } from 'svelte';
import App from './ui/App.svelte';
import './ui/style.css';
import { serveWorker } from './worker.ts';

if (typeof document === 'undefined') serveWorker();
else {
  const target = document.getElementById('app');
  if (target === null) throw new Error('the page has no place for the lab');
  mount(App, { target });
}
