/** The small S3 as a server on 127.0.0.1. */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as NodeScripted from "./NodeScripted.js"
import type { S3 } from "./S3.js"

const requestOf = (request: IncomingMessage, signal: AbortSignal): Request => {
  const { headers, method = "GET", url = "/" } = request
  const init = {
    method,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
    signal
  }
  const body = method === "GET" || method === "HEAD" ? {} : { body: Readable.toWeb(request), duplex: "half" }
  return new Request(`http://${headers.host}${url}`, { ...init, ...body } as RequestInit)
}

const send = async (response: ServerResponse, answer: Response): Promise<void> => {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (answer.body === null) response.end()
  else await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), response)
}

/**
 * Serves an S3 on a free port of 127.0.0.1 while the scope is open. Faults happen on the wire: a lost connection is closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (s3: S3): Effect.Effect<NodeScripted.Server, never, Scope.Scope> =>
  Effect.flatMap(Effect.runtime(), (runtime) => {
    const run = Runtime.runPromise(runtime)
    return NodeScripted.serveRaw((request, response) => {
      const controller = new AbortController()
      response.on("close", () => controller.abort())
      run(s3.handle(requestOf(request, controller.signal)), { signal: controller.signal }).then(
        (answer) => send(response, answer)
      ).catch(() => request.socket.destroy())
    })
  })
