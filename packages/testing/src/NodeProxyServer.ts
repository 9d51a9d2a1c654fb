/** An HTTP proxy on this machine. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, request as httpRequest } from "node:http"
import type { RequestListener } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { connect } from "node:net"
import type { AddressInfo, Socket } from "node:net"

/** A request that the proxy received. */
export interface Proxied {
  readonly method: string
  /** The absolute URL, or the host and port of a CONNECT. */
  readonly target: string
  readonly host: string | undefined
  readonly authorization: string | undefined
}

export interface Proxy {
  /** `127.0.0.1:port` */
  readonly host: string
  readonly requests: ReadonlyArray<Proxied>
  /** `METHOD target` of the requests so far. */
  readonly lines: () => ReadonlyArray<string>
}

export interface Options {
  /** The `Proxy-Authorization` that the proxy requires. */
  readonly authorization?: string
  /** The status with which the proxy answers instead of connecting. */
  readonly status?: (target: string) => number | undefined
  /** The certificate of a proxy that uses TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Starts a proxy that connects to one port of this machine, whatever host is requested. */
export const proxy = (port: number, options: Options = {}): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly proxy: Proxy; readonly close: () => void }>((resume) => {
      const requests: Array<Proxied> = []
      const sockets = new Set<Socket>()
      const refusal = (authorization: string | undefined, target: string) =>
        options.authorization !== undefined && authorization !== options.authorization ? 407 : options.status?.(target)

      const forward: RequestListener = (request, response) => {
        const { headers, method = "", url = "" } = request
        const { "proxy-authorization": authorization, ...rest } = headers
        requests.push({ method, target: url, host: headers.host, authorization })
        const status = refusal(authorization, url)
        if (status !== undefined) return response.writeHead(status).end("the proxy says no")
        const { pathname, search } = new URL(url)
        const upstream = httpRequest(
          { host: "127.0.0.1", port, method, path: pathname + search, headers: rest },
          (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(response)
          }
        )
        upstream.on("error", () => response.writeHead(502).end())
        request.pipe(upstream)
      }
      const server = options.tls === undefined ? createServer(forward) : createTlsServer(options.tls, forward)
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket)).on("error", () => {})
      })
      server.on("connect", ({ headers, url = "" }, socket: Socket) => {
        const authorization = headers["proxy-authorization"]
        requests.push({ method: "CONNECT", target: url, host: headers.host, authorization })
        const status = refusal(authorization, url)
        if (status !== undefined) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
        const upstream = connect(port, "127.0.0.1", () => {
          socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
          upstream.pipe(socket)
          socket.pipe(upstream)
        })
        for (const end of [socket, upstream]) {
          end.on("error", () => {}).on("close", () => {
            socket.destroy()
            upstream.destroy()
          })
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
        const lines = () => requests.map(({ method, target }) => `${method} ${target}`)
        resume(Effect.succeed({
          proxy: { host, requests, lines },
          close: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ proxy }) => proxy))
