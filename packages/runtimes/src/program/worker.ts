/** The entry in workerd: the server that wants to know the results sends a request whose query is its URL. */
import * as Effect from "effect/Effect"
import type { FetchHandler } from "./Check.js"
import { run } from "./program.js"

/** The handler under test, while a check serves one. */
let handler: FetchHandler | undefined

export default {
  fetch: async (request: Request): Promise<Response> => {
    const url = new URL(request.url)
    if (url.pathname !== "/run") return handler?.(request) ?? new Response(null, { status: 503 })
    await run(url.searchParams.get("control")!, {
      serve: (served) =>
        Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => {
              handler = served
            }),
            () =>
              Effect.sync(() => {
                handler = undefined
              })
          ),
          url.origin
        )
    })
    return new Response("the run has ended\n")
  }
}
