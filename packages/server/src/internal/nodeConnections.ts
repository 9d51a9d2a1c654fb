import { networkOf } from "@effect-oci/core/Caller"
import * as Effect from "effect/Effect"
import type { Server } from "node:http"
import type { Socket } from "node:net"
import type { Run } from "./nodeAdapter.js"
import * as nodePace from "./nodePace.js"
import { current } from "./nodeTurn.js"

/** How long a client may take to read the last answer on its connection and to close it, in milliseconds. */
const lingering = 1000

interface ClientError extends NodeJS.ErrnoException {
  /** The bytes that the HTTP parser rejected. */
  readonly rawPacket?: Uint8Array
}

interface Refusal {
  readonly status: string
  readonly code: string
  readonly reason: string
}

const broken: Refusal = { status: "400 Bad Request", code: "SIZE_INVALID", reason: "the request broke off" }

/** The answers to requests that the HTTP parser of Node rejects, by error code. */
const refusals: { readonly [code: string]: Refusal } = {
  HPE_INVALID_EOF_STATE: broken,
  HPE_HEADER_OVERFLOW: {
    status: "431 Request Header Fields Too Large",
    code: "UNSUPPORTED",
    reason: "the headers of the request are too large"
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: "408 Request Timeout",
    code: "UNSUPPORTED",
    reason: "the client did not send the headers of the request in time"
  }
}

const unreadable: Refusal = {
  status: "400 Bad Request",
  code: "UNSUPPORTED",
  reason: "the request is not valid HTTP"
}

const overTls: Refusal = { ...unreadable, reason: "the client sent HTTPS to a server of plain HTTP" }

/** The first byte of a TLS handshake. Many clients try HTTPS first, and then plain HTTP. */
const tlsHandshake = 0x16

const refusalOf = ({ code = "", rawPacket }: ClientError): Refusal =>
  refusals[code] ?? (rawPacket?.[0] === tlsHandshake ? overTls : unreadable)

const refusalText = ({ code, reason, status }: Refusal): string => {
  const body = JSON.stringify({ errors: [{ code, message: reason }] })
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Limits on the connections of a client. */
export interface Limits {
  /** How many connections the clients of one network may have. */
  readonly perClient: number
  /** The minimum rate at which a client must send a request and read an answer, in bytes per second, in each window. */
  readonly minRate: number
  /** The length of a window, in milliseconds. */
  readonly window: number
}

/** Closes connections beyond the limit of their client. Logs only the first one. */
const limitPerClient = (server: Server, run: Run, limit: number): void => {
  const open = new Map<string, number>()
  const refusing = new Set<string>()
  server.on("connection", (socket: Socket) => {
    const client = networkOf(socket.remoteAddress ?? "")
    const others = open.get(client) ?? 0
    if (others >= limit) {
      socket.destroy()
      if (refusing.has(client)) return
      refusing.add(client)
      return void run(
        Effect.annotateLogs(
          Effect.logWarning("connection refused"),
          { client, reason: `the client has ${others} connections` }
        )
      )
    }
    open.set(client, others + 1)
    socket.once("close", () => {
      const left = (open.get(client) ?? 1) - 1
      if (left > 0) return void open.set(client, left)
      open.delete(client)
      refusing.delete(client)
    })
  })
}

/**
 * Manages the connections of a server. Returns the function that stops the server: see {@link stopping}. With TLS a
 * connection has two sockets, one inside the other. The inner socket exists after the TLS handshake.
 */
export const manage = (
  server: Server,
  run: Run,
  tls: boolean,
  limits: Limits
): (grace: number) => Effect.Effect<void> => {
  const outer = new Set<Socket>()
  const inner = tls ? new Set<Socket>() : outer
  limitPerClient(server, run, limits.perClient)
  const keep = (sockets: Set<Socket>) => (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    // Each pipelined request adds a listener for the end of the socket.
    socket.setMaxListeners(0)
  }
  server.on("connection", keep(outer))
  if (tls) server.on("secureConnection", keep(inner))
  const refused = new WeakSet<Socket>()
  server.on("clientError", (error: ClientError, socket: Socket) => {
    // Node also emits this event for the bytes after an invalid request.
    if (refused.has(socket)) return
    refused.add(socket)
    refuse(socket, error, run)
  })
  server.on("timeout", (socket: Socket) => {
    const response = current(socket)
    const working = response !== undefined && response.req.complete && !response.headersSent
    if (!working) socket.destroy()
  })
  const stopWatching = nodePace.watch(server, inner, limits)
  return (grace) => Effect.ensuring(stopping(server, outer, inner, grace), Effect.sync(stopWatching))
}

/** Answers an invalid request, after the answers to earlier requests. */
const refuse = (socket: Socket, error: ClientError, run: Run): void => {
  const response = current(socket)
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy()
  if (response?.req.complete === true) return void response.once("close", () => refuse(socket, error, run))
  // The request was answered before its invalid part was received.
  if (response?.headersSent === true) return finish(socket)
  const refusal = refusalOf(error)
  // An operation that has begun has its own line in the log.
  if (response === undefined) {
    run(
      Effect.logInfo("request refused").pipe(
        Effect.annotateLogs({ status: Number.parseInt(refusal.status, 10), reason: refusal.reason })
      )
    )
  }
  finish(socket, refusalText(refusal))
}

/**
 * Accepts no more connections, and lets open requests finish. After the grace period, closes the remaining connections.
 * Completes when all connections are closed.
 */
const stopping = (
  server: Server,
  outer: ReadonlySet<Socket>,
  inner: ReadonlySet<Socket>,
  grace: number
): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    let left = inner.size + 1
    const closed = () => {
      left -= 1
      if (left > 0) return
      clearTimeout(timer)
      resume(Effect.void)
    }
    const timer = setTimeout(() => {
      for (const socket of outer) socket.destroy()
    }, grace)
    server.close(closed)
    for (const socket of inner) {
      socket.once("close", closed)
      leave(socket)
    }
  })

/** Closes a connection after the answers that have begun. */
const leave = (socket: Socket, answered = false): void => {
  const response = current(socket)
  if (response !== undefined) {
    if (!response.headersSent) response.shouldKeepAlive = false
    response.once("close", () => leave(socket, true))
  } else if (answered) finish(socket)
  else socket.destroy()
}

/**
 * Sends the last answer on a connection, and closes the connection later. A client that is still sending would lose the
 * answer if the connection closed immediately.
 */
const finish = (socket: Socket, text?: string): void => {
  if (text !== undefined) socket.write(text)
  socket.end()
  setTimeout(() => socket.destroy(), lingering).unref()
}
