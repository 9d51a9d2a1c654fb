import { networkOf } from "@effect-oci/core/Caller"
import * as Effect from "effect/Effect"
import type { Server } from "node:http"
import type { Socket } from "node:net"
import type { Run } from "./nodeAdapter.js"
import * as nodePace from "./nodePace.js"
import { current } from "./nodeTurn.js"

/** How long a client may take to read the last answer on its connection and to close it, in milliseconds. */
const lingering = 1000

interface Refusal {
  readonly status: string
  readonly code: string
  readonly reason: string
}

const broken: Refusal = { status: "400 Bad Request", code: "SIZE_INVALID", reason: "the request broke off" }

/** What the parser of Node cannot read, by its code. */
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
    reason: "the headers of the request did not come in time"
  }
}

const unreadable: Refusal = {
  status: "400 Bad Request",
  code: "UNSUPPORTED",
  reason: "the request is not HTTP that can be read"
}

const refusalText = ({ code, reason, status }: Refusal): string => {
  const body = JSON.stringify({ errors: [{ code, message: reason }] })
  return `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** What a client may do with its connections. */
export interface Limits {
  /** How many connections the clients of one network may have. */
  readonly perClient: number
  /** The least rate at which a client sends a request and reads an answer, in bytes a second, over each window. */
  readonly minRate: number
  /** In milliseconds. */
  readonly window: number
}

/** Closes connections beyond the limit of their client. The first one that is closed has a line in the log. */
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
 * Looks after the connections of a server. Gives what to do when it stops: see {@link stopping}. With TLS a connection
 * is one socket in another, of which the inner one is there when the two sides have agreed.
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
    // Requests that are sent without waiting for answers each listen for its end.
    socket.setMaxListeners(0)
  }
  server.on("connection", keep(outer))
  if (tls) server.on("secureConnection", keep(inner))
  const refused = new WeakSet<Socket>()
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // What follows what could not be read comes here too.
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

/** Answers what could not be read, after the requests before it. */
const refuse = (socket: Socket, error: NodeJS.ErrnoException, run: Run): void => {
  const response = current(socket)
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy()
  if (response?.req.complete === true) return void response.once("close", () => refuse(socket, error, run))
  // It was answered before the rest of it could not be read.
  if (response?.headersSent === true) return finish(socket)
  const refusal = refusals[error.code ?? ""] ?? unreadable
  // An operation that is under way has its own line in the log.
  if (response === undefined) {
    run(
      Effect.logInfo("request refused").pipe(
        Effect.annotateLogs({ status: Number.parseInt(refusal.status, 10), reason: refusal.reason })
      )
    )
  }
  finish(socket, refusalText(refusal))
}

/** Takes no more connections, lets requests end, and cuts off what is left after a while. It ends when all are closed. */
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

/** Closes a connection after the answers that are under way on it. */
const leave = (socket: Socket, answered = false): void => {
  const response = current(socket)
  if (response !== undefined) {
    if (!response.headersSent) response.shouldKeepAlive = false
    response.once("close", () => leave(socket, true))
  } else if (answered) finish(socket)
  else socket.destroy()
}

/** Says the last thing on a connection. To close it at once would take that away from a client that is still sending. */
const finish = (socket: Socket, text?: string): void => {
  if (text !== undefined) socket.write(text)
  socket.end()
  setTimeout(() => socket.destroy(), lingering).unref()
}
