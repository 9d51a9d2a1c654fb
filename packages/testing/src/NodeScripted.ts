/** Small registries for tests. A test defines their answers. They record the requests that they receive. */
import * as Client from "@effect-oci/client/Client"
import { Registry, UploadIds } from "@effect-oci/core"
import * as NodeHttp from "@effect-oci/transport/NodeHttp"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"

/** A request that a registry received. */
export interface ReceivedRequest {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** An answer: the parts of a response, or a function that writes the response. */
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
  /** The requests so far. */
  readonly requests: ReadonlyArray<ReceivedRequest>
  /** `GET /path` of the requests so far. */
  readonly lines: () => ReadonlyArray<string>
  /** The open connections. */
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
  requests: Array<ReceivedRequest>,
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
        const lines = () => requests.map(({ method, target }) => `${method} ${target}`)
        resume(
          Effect.succeed({
            server: { host, origin: `${tls === undefined ? "http" : "https"}://${host}`, requests, lines, connections },
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

/** Starts a registry that reads each request to its end before it answers. */
export const serve = (
  answer: (request: ReceivedRequest, count: number) => Answer,
  tls?: Tls
): Effect.Effect<Server, never, Scope.Scope> => {
  const requests: Array<ReceivedRequest> = []
  return serving(
    (request, response) => {
      const pieces: Array<Buffer> = []
      request.on("data", (piece: Buffer) => pieces.push(piece))
      request.on("error", () => {})
      request.on("end", () => {
        const { headers, method = "", url = "" } = request
        const received = { method, target: url, headers, body: Buffer.concat(pieces) }
        requests.push(received)
        send(response, answer(received, requests.length - 1))
      })
    },
    requests,
    tls
  )
}

/** Starts a registry whose handler answers at once, and decides what to read. */
export const serveRaw = (
  listener: (request: IncomingMessage, response: ServerResponse, count: number) => void
): Effect.Effect<Server, never, Scope.Scope> => {
  const requests: Array<ReceivedRequest> = []
  return serving((request, response) => {
    const { headers, method = "", url = "" } = request
    request.on("error", () => {})
    requests.push({ method, target: url, headers, body: Buffer.alloc(0) })
    listener(request, response, requests.length - 1)
  }, requests)
}

/** Answers by method and path, ignoring the query. Other requests are answered with 404. */
export const routes = (table: { readonly [line: string]: Answer }) => (request: ReceivedRequest): Answer =>
  table[`${request.method} ${request.target.split("?")[0]}`] ?? { status: 404 }

export const platforms = {
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer,
  node: NodeHttpClient.layer,
  NodeHttp: Layer.orDie(NodeHttp.layer())
} satisfies { readonly [name: string]: Layer.Layer<HttpClient.HttpClient> }

export type Platform = keyof typeof platforms

/** Creates a client of a registry over plain HTTP, which lives as long as the scope. Default: no retries. */
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
 * Creates a client whose uploads have the ids that the registry itself sends, for tests of the requests. Each id is
 * signed on its way to the client and verified on its way back.
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

/** Waits in real time until a condition is true. */
export const until = (happened: () => boolean): Effect.Effect<void> =>
  Effect.async((resume) => {
    const look = () => happened() ? resume(Effect.void) : setTimeout(look, 2)
    look()
  })

/** Waits until no connection is open. */
export const closed = ({ connections }: Server): Effect.Effect<void> => until(() => connections.size === 0)
