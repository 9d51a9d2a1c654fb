/** Registries of a few lines: what they answer is the test's, and what they were asked they tell. */
import { Registry, UploadIds } from "@effect-oci/core"
import { NodeHttpClient } from "@effect/platform-node"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { Context, Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import * as Client from "../src/Client.js"

/** A request as it came. */
export interface Asked {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What is answered: the parts of a response, or whatever a function makes of it. */
export type Answer =
  | {
    readonly status: number
    readonly headers?: Record<string, string> | undefined
    readonly body?: string | Uint8Array | undefined
  }
  | { readonly raw: (response: ServerResponse) => void }

export interface Server {
  /** `127.0.0.1:port` */
  readonly host: string
  readonly origin: string
  /** What was asked so far. */
  readonly asked: ReadonlyArray<Asked>
  /** `GET /path` of what was asked so far. */
  readonly lines: () => ReadonlyArray<string>
  /** The connections that are open. */
  readonly connections: ReadonlySet<Socket>
}

const send = (response: ServerResponse, answer: Answer) => {
  if ("raw" in answer) return answer.raw(response)
  const body = answer.body === undefined ? undefined : Buffer.from(answer.body)
  const length = body === undefined || answer.headers?.["content-length"] !== undefined
    ? {}
    : { "content-length": String(body.byteLength) }
  response.writeHead(answer.status, { ...length, ...answer.headers })
  response.end(response.req.method === "HEAD" ? undefined : body)
}

const serving = (
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  asked: Array<Asked>,
  tls?: Tls
) =>
  Effect.acquireRelease(
    Effect.async<{ readonly server: Server; readonly close: () => void }>((resume) => {
      const connections = new Set<Socket>()
      const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
      server.on("connection", (socket) => {
        connections.add(socket)
        socket.on("close", () => connections.delete(socket))
        socket.on("error", () => {})
      })
      server.listen(0, "127.0.0.1", () => {
        const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
        const lines = () => asked.map(({ method, target }) => `${method} ${target}`)
        resume(
          Effect.succeed({
            server: { host, origin: `${tls === undefined ? "http" : "https"}://${host}`, asked, lines, connections },
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ server }) => server))

/** A certificate and its key. */
export interface Tls {
  readonly cert: string
  readonly key: string
}

/** A registry that reads each request to its end before it answers. */
export const serve = (
  answer: (asked: Asked, count: number) => Answer,
  tls?: Tls
): Effect.Effect<Server, never, Scope.Scope> => {
  const asked: Array<Asked> = []
  return serving(
    (request, response) => {
      const pieces: Array<Buffer> = []
      request.on("data", (piece: Buffer) => pieces.push(piece))
      request.on("error", () => {})
      request.on("end", () => {
        const { headers, method = "", url = "" } = request
        asked.push({ method, target: url, headers, body: Buffer.concat(pieces) })
        send(response, answer(asked[asked.length - 1]!, asked.length - 1))
      })
    },
    asked,
    tls
  )
}

/** A registry that answers at once, and reads what it likes. */
export const serveRaw = (
  listener: (request: IncomingMessage, response: ServerResponse, count: number) => void
): Effect.Effect<Server, never, Scope.Scope> => {
  const asked: Array<Asked> = []
  return serving((request, response) => {
    const { headers, method = "", url = "" } = request
    request.on("error", () => {})
    asked.push({ method, target: url, headers, body: Buffer.alloc(0) })
    listener(request, response, asked.length - 1)
  }, asked)
}

/** Answers by method and path, without its query; 404 for the rest. */
export const routes = (table: { readonly [line: string]: Answer }) => (asked: Asked): Answer =>
  table[`${asked.method} ${asked.target.split("?")[0]}`] ?? { status: 404 }

export const platforms = {
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer,
  node: NodeHttpClient.layer
} satisfies { readonly [name: string]: Layer.Layer<HttpClient.HttpClient> }

export type Platform = keyof typeof platforms

/** A client of a registry over plain HTTP, for as long as the scope. It asks once, unless told otherwise. */
export const connect = (
  { host }: { readonly host: string },
  options?: Omit<Client.Options & Client.TransportOptions, "host">,
  platform: Layer.Layer<HttpClient.HttpClient> = platforms.undici
): Effect.Effect<Registry.Service, never, Scope.Scope> =>
  Effect.map(
    Layer.build(Layer.provide(Client.layer({ host, insecure: true, retry: { retries: 0 }, ...options }), platform)),
    Context.get(Registry)
  )

const uploadKey = Redacted.make("a key of the tests")

/**
 * A client whose uploads have the ids that the registry itself sends, for tests of what goes over the wire: the ids are
 * sealed on the way to the client and opened on the way back.
 */
export const connectUnsealed: typeof connect = (server, options, platform) => {
  const { open, seal } = UploadIds.make({ issuer: ["client", `http://${server.host}`, "/v2"], key: uploadKey })
  const unsealed = UploadIds.middleware({
    open: seal,
    seal: (owner, id) => open(owner, id) ?? "an id that the client did not seal"
  })
  return Effect.map(
    connect(server, { ...options, uploadKey }, platform),
    ({ handle }) => Registry.fromHandler(unsealed(handle))
  )
}

/** Waits until something has happened that sends no word, by real time. */
export const until = (happened: () => boolean): Effect.Effect<void> =>
  Effect.async((resume) => {
    const look = () => happened() ? resume(Effect.void) : setTimeout(look, 2)
    look()
  })

/** Waits until no connection is open any more. */
export const closed = ({ connections }: Server): Effect.Effect<void> => until(() => connections.size === 0)
