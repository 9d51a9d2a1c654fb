/** Raw HTTP: by `node:http` for valid requests, by a plain socket for invalid ones. */
import { Effect } from "effect"
import type { Scope } from "effect"
import { request as send } from "node:http"
import type { ClientRequest, IncomingMessage } from "node:http"
import { connect as open } from "node:net"
import type { Socket } from "node:net"

export interface Asked {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** The body. It is sent with its length, unless the headers contain another framing. */
  readonly body?: Uint8Array | string
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingMessage["headers"]
  readonly bytes: Buffer
  readonly text: string
  /** Parses the body as JSON. */
  readonly json: unknown
}

const answered = (response: IncomingMessage, bytes: Buffer): Answered => {
  const text = bytes.toString()
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    bytes,
    text,
    get json(): unknown {
      return JSON.parse(text)
    }
  }
}

/** Creates a request of `node:http`. The caller sends it. */
export const begin = (port: number, { headers, method = "GET", path }: Asked): ClientRequest =>
  send({ host: "127.0.0.1", port, method, path, agent: false, headers: { ...headers } })

/** Reads the whole answer to a request. */
export const hear = (request: ClientRequest): Effect.Effect<Answered, Error> =>
  Effect.async((resume) => {
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => resume(Effect.succeed(answered(response, Buffer.concat(chunks)))))
      response.on("error", (error) => resume(Effect.fail(error)))
    })
  })

export const ask = (port: number, sent: Asked): Effect.Effect<Answered, Error> =>
  Effect.suspend(() => {
    const length = sent.body === undefined || sent.headers?.["transfer-encoding"] !== undefined
      ? {}
      : { "content-length": String(Buffer.byteLength(sent.body)) }
    const request = begin(port, { ...sent, headers: { ...length, ...sent.headers } })
    const answer = hear(request)
    return Effect.zipRight(Effect.sync(() => request.end(sent.body)), answer)
  })

/** A plain connection, and all bytes that it has received. */
export interface Connection {
  readonly socket: Socket
  /** The text that was received so far. */
  readonly text: () => string
  readonly write: (text: string | Uint8Array) => Effect.Effect<void>
  /** Ends only this side of the connection. */
  readonly halfClose: Effect.Effect<void>
  /** Waits until the received text matches. Fails if the connection closes before. */
  readonly until: (fits: RegExp | ((text: string) => boolean)) => Effect.Effect<string, Error>
  /** Waits until the other side has closed the connection. Returns all received text. */
  readonly closed: Effect.Effect<string>
}

/** Connects from an address of this machine. Default: the system chooses the address. */
export const connect = (
  port: number,
  host = "127.0.0.1",
  localAddress?: string
): Effect.Effect<Connection, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Connection, Error>((resume) => {
      const socket = open({ host, port, localAddress, allowHalfOpen: true })
      const chunks: Array<Buffer> = []
      const text = () => Buffer.concat(chunks).toString("latin1")
      let over = false
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("end", () => {
        over = true
      })
      socket.on("close", () => {
        over = true
      })
      socket.on("error", (error) => resume(Effect.fail(error)))
      const wait = (done: () => boolean): Effect.Effect<void> =>
        Effect.async((resume) => {
          const look = () => {
            if (!done()) return
            for (const event of ["data", "end", "close"]) socket.off(event, look)
            resume(Effect.void)
          }
          for (const event of ["data", "end", "close"]) socket.on(event, look)
          look()
        })
      const connection: Connection = {
        socket,
        text,
        write: (text) => Effect.async((resume) => void socket.write(text, () => resume(Effect.void))),
        halfClose: Effect.sync(() => void socket.end()),
        until: (fits) => {
          const done = () => typeof fits === "function" ? fits(text()) : fits.test(text())
          return wait(() => over || done()).pipe(
            Effect.flatMap(() => done() ? Effect.succeed(text()) : Effect.fail(new Error(`it closed after: ${text()}`)))
          )
        },
        closed: Effect.map(wait(() => over), text)
      }
      socket.on("connect", () => resume(Effect.succeed(connection)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** Sends raw bytes, and returns the answer. The server must close the connection. */
export const shout = (port: number, text: string | Uint8Array): Effect.Effect<string, Error> =>
  Effect.scoped(
    Effect.flatMap(connect(port), (connection) => Effect.zipRight(connection.write(text), connection.closed))
  )

/** Returns the head of a request with a body, as text. */
export const head = (method: string, path: string, ...headers: ReadonlyArray<string>) =>
  `${[`${method} ${path} HTTP/1.1`, "Host: a", "Content-Type: a/b", ...headers].join("\r\n")}\r\n\r\n`

/** Returns a GET request, as text. */
export const get = (path: string, ...headers: ReadonlyArray<string>) =>
  `${[`GET ${path} HTTP/1.1`, "Host: a", ...headers].join("\r\n")}\r\n\r\n`
