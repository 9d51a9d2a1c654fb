/** The entry in Node, Bun and Deno: `process.mjs URL`. */
import * as Effect from "effect/Effect"
import type { FetchHandler, Platform } from "./Check.js"
import { run } from "./program.js"

declare const Bun: {
  readonly serve: (
    options: { readonly port: number; readonly hostname: string; readonly fetch: FetchHandler }
  ) => { readonly url: URL; readonly stop: (closeActiveConnections: boolean) => Promise<void> }
}
declare const Deno: {
  readonly serve: (
    options: { readonly port: number; readonly hostname: string; readonly onListen: () => void },
    handler: FetchHandler
  ) => { readonly addr: { readonly port: number }; readonly shutdown: () => Promise<void> }
}

const address = { port: 0, hostname: "127.0.0.1" }

const serve: Platform["serve"] = typeof Bun !== "undefined"
  ? (fetch) =>
    Effect.acquireRelease(
      Effect.sync(() => Bun.serve({ ...address, fetch })),
      (server) => Effect.promise(() => server.stop(true))
    ).pipe(Effect.map(({ url }) => url.origin))
  : typeof Deno !== "undefined"
  ? (handler) =>
    Effect.acquireRelease(
      Effect.sync(() => Deno.serve({ ...address, onListen: () => {} }, handler)),
      (server) => Effect.promise(() => server.shutdown())
    ).pipe(Effect.map(({ addr }) => `http://127.0.0.1:${addr.port}`))
  : undefined

await run(process.argv[2]!, { serve })
process.exit(0)
