/**
 * Malicious registries for tests, on Node.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer as createSecureServer } from "node:https"
import { isIP } from "node:net"
import type { AddressInfo, LookupFunction, Socket } from "node:net"
import * as EvilRegistry from "./EvilRegistry.js"
import * as internal from "./internal/nodeEvilCertificate.js"

const address = "127.0.0.1"

/**
 * The certificate of the HTTPS sites, and its key, in PEM. The certificate signs itself, and is valid for
 * `registry.example`, `evil.example`, their subdomains, a few more names, `localhost` and 127.0.0.1. The key is not
 * secret: trust the certificate only in tests.
 *
 * @since 0.1.0
 * @category constants
 */
export const certificate: { readonly cert: string; readonly key: string } = internal.certificate

const maxBody = 1024 * 1024

const pairs = (raw: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  raw.flatMap((name, index) => index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1] ?? ""] as const] : [])

const send = (response: ServerResponse, { body = "", ending, headers = {}, status }: EvilRegistry.Response) => {
  const bytes = Buffer.from(body)
  const length = ending === undefined && headers["content-length"] === undefined && status >= 200 && status !== 204 &&
    status !== 304
  const values = Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]])
  response.writeHead(status, {
    ...Object.fromEntries(values) as Record<string, string | Array<string>>,
    ...(length ? { "content-length": String(bytes.byteLength) } : {})
  })
  if (response.req.method === "HEAD") return response.end()
  switch (ending) {
    case undefined:
      return response.end(bytes)
    case "stall":
      return response.write(bytes)
    case "break":
      return response.write(bytes, () => response.destroy())
    case "repeat": {
      const more = () => {
        while (!response.destroyed && response.write(bytes));
      }
      response.on("drain", more)
      return more()
    }
  }
}

/** Reads a request to its end, keeps at most 1 MiB of its body, and sends the response. */
const listener =
  (requests: Array<EvilRegistry.Request>, pending: Set<ServerResponse>, script: EvilRegistry.Script) =>
  (request: IncomingMessage, response: ServerResponse) => {
    pending.add(response)
    response.on("close", () => pending.delete(response))
    const pieces: Array<Buffer> = []
    let size = 0
    request.on("error", () => {})
    response.on("error", () => {})
    request.on("data", (piece: Buffer) => {
      if (size < maxBody) pieces.push(piece)
      size += piece.byteLength
    })
    request.on("end", () => {
      const { method = "", rawHeaders, url = "" } = request
      const body = Buffer.concat(pieces).subarray(0, maxBody).toString("latin1")
      const count = requests.push({ method, target: url, headers: pairs(rawHeaders), body }) - 1
      send(response, script(requests[count]!, count))
    })
  }

const open = (
  { host, tls = false }: { readonly host: string; readonly tls?: boolean | undefined },
  script: EvilRegistry.Script
) =>
  Effect.acquireRelease(
    Effect.async<{ readonly site: EvilRegistry.Site; readonly close: () => void }>((resume) => {
      const requests: Array<EvilRegistry.Request> = []
      const connections = new Set<Socket>()
      const pending = new Set<ServerResponse>()
      const listen = listener(requests, pending, script)
      const server = tls
        ? createSecureServer(certificate, listen)
        : createServer(listen)
      server.on(tls ? "secureConnection" : "connection", (socket: Socket) => {
        connections.add(socket)
        socket.on("close", () => connections.delete(socket))
        socket.on("error", () => {})
      })
      server.listen(0, isIP(host) === 0 ? address : host, () => {
        const { port } = server.address() as AddressInfo
        const authority = `${host}:${port}`
        resume(Effect.succeed({
          site: {
            origin: `${tls ? "https" : "http"}://${authority}`,
            host: authority,
            port,
            requests,
            lines: () => requests.map(({ method, target }) => `${method} ${target}`),
            connections: () => connections.size,
            pending: () => pending.size
          },
          close: () => {
            server.close()
            server.closeAllConnections()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ site }) => site))

/**
 * A layer with a test network on the loopback address of this machine. Each site has a port of its own. {@link lookup}
 * resolves the host name of a site; a site whose host is an IP address listens on that address. The HTTPS sites have the
 * {@link certificate}.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<EvilRegistry.EvilRegistry> = Layer.sync(EvilRegistry.EvilRegistry, () => {
  const names = new Map<string, Array<ReadonlyArray<string>>>()
  return EvilRegistry.make({
    certificate: certificate.cert,
    site: (options, script) =>
      Effect.tap(open(options, script), () => {
        if (!names.has(options.host)) names.set(options.host, [[address]])
      }),
    resolvesTo: (host, ...answers) => {
      names.set(host, [...answers])
    },
    resolve: (host) => {
      const answers = names.get(host) ?? []
      return (answers.length > 1 ? answers.shift() : answers[0]) ?? []
    }
  })
})

/**
 * Creates a function that resolves the host names of the sites, for the option `lookup` of Node's sockets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lookup = (evil: Pick<EvilRegistry.Service, "resolve">): LookupFunction => (host, options, callback) => {
  const found = evil.resolve(host).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
  const [first] = found
  if (first === undefined) {
    callback(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }), "", 0)
  } else if (options.all === true) callback(null, found)
  else callback(null, first.address, first.family)
}
