/** A proxy before S3 that can refuse requests for a while, as an S3 does that is overloaded. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Agent, createServer, request as send } from "node:http"
import type { AddressInfo } from "node:net"

const slowDown =
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>overloaded</Message></Error>`

export interface Proxy {
  readonly endpoint: string
  /** Answers each request with 503 until it is called with `false`. */
  readonly refuse: (refuses: boolean) => void
  /** Returns how many requests were refused. */
  readonly refused: () => number
}

/** Starts a proxy before a server on this machine. The end of the scope stops it. */
export const start = (endpoint: string): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly proxy: Proxy; readonly close: () => void }>((resume) => {
        const { hostname, port } = new URL(endpoint)
        const agent = new Agent({ keepAlive: true })
        let refuses = false
        let refused = 0
        const server = createServer((incoming, outgoing) => {
          if (refuses) {
            refused++
            incoming.resume()
            outgoing.writeHead(503, { "content-type": "application/xml", connection: "close" }).end(slowDown)
            return
          }
          const { headers, method, url } = incoming
          const upstream = send({ hostname, port, method, path: url, headers, agent }, (answer) => {
            outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(outgoing)
          })
          upstream.on("error", () => outgoing.destroy())
          outgoing.on("close", () => upstream.destroy())
          incoming.pipe(upstream)
        })
        server.listen(0, "127.0.0.1", () => {
          const proxy = {
            endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            refuse: (value: boolean) => {
              refuses = value
            },
            refused: () => refused
          }
          const close = () => {
            server.close()
            server.closeAllConnections()
            agent.destroy()
          }
          resume(Effect.succeed({ proxy, close }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ proxy }) => proxy
  )
