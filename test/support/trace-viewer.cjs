// What the trace viewer of Chrome and of Android's systrace (the package traceviewer) reads of files, as JSON: of ftrace
// text every event that it parsed, of Chrome JSON the slices of every thread. In a process of its own, since the viewer
// makes globals.
//
//   node trace-viewer.cjs <names of events, with commas> <file> …
'use strict';
const { readFileSync, readdirSync } = require('node:fs');
const { dirname, join } = require('node:path');

const root = dirname(require.resolve('traceviewer/package.json'));

/** Loads the viewer's model and importers. Its own entry does that through Python 2. */
function load() {
  require(join(root, 'catapult_build', 'node_bootstrap.js'));
  const parties = join(root, 'tracing', 'third_party');
  globalThis.HTMLImportsLoader.addArrayToSourcePath([
    join(root, 'tracing'),
    ...readdirSync(parties).map((name) => join(parties, name)),
    join(parties, 'gl-matrix', 'dist'),
  ]);
  for (const path of [
    'importer/import.html',
    'model/model.html',
    'extras/importer/linux_perf/ftrace_importer.html',
    'extras/importer/trace_event_importer.html',
  ]) {
    globalThis.HTMLImportsLoader.loadHTML(`/tracing/${path}`);
  }
  return globalThis.tr;
}

/** Makes the viewer hand over the events of memory management, for which it has no view of its own. */
function collectEvents(tr, names) {
  const events = [];
  const { Parser } = tr.e.importer.linux_perf;
  function Collector(importer) {
    Parser.call(this, importer);
    for (const name of names) {
      importer.registerEventHandler(name, (eventName, cpu, pid, ms, { threadName, details }) => {
        events.push({ name: eventName, cpu, ms, comm: threadName, pid, details });
        return true;
      });
    }
  }
  Collector.prototype = Object.create(Parser.prototype);
  Parser.register(Collector);
  return events;
}

/** Slices of every thread, with the one that each lies in, as the viewer has nested them. */
function slicesOf(model) {
  return model.getAllProcesses().flatMap((process) =>
    Object.values(process.threads).flatMap((thread) =>
      thread.sliceGroup.slices.map(({ title, start, duration, parentSlice }) => ({
        thread: thread.name,
        title,
        start,
        duration,
        within: parentSlice?.title ?? null,
      })),
    ),
  );
}

function read(tr, text, events) {
  events.length = 0;
  const model = new tr.Model();
  const importer = new tr.importer.Import(model, new tr.importer.ImportOptions());
  importer.importTraces([text]);
  return {
    warnings: model.importWarnings.map(({ type, message }) => `${type}: ${message}`),
    events: [...events],
    slices: slicesOf(model),
  };
}

const [names, ...paths] = process.argv.slice(2);
const tr = load();
const events = collectEvents(tr, names.split(','));
process.stdout.write(JSON.stringify(paths.map((path) => read(tr, readFileSync(path, 'utf8'), events))));
