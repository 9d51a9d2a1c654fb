import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { current } from "./nodeTurn.js"

/** The progress of a client that the server waits for: the client sends a request, or reads an answer. */
interface Progress {
  readonly of: IncomingMessage | ServerResponse
  /** The number of bytes that were received and sent on the connection. */
  readonly bytes: number
}

const progressOf = (
  socket: Socket,
  request: IncomingMessage | undefined,
  response: ServerResponse | undefined
): Progress | undefined => {
  if (response !== undefined && socket.writableLength > 0) {
    return { of: response, bytes: socket.bytesWritten - socket.writableLength }
  }
  // While the registry does not read a body, the client cannot send the body.
  return request !== undefined && !request.complete && request.readableFlowing === true
    ? { of: request, bytes: socket.bytesRead }
    : undefined
}

/**
 * Closes connections whose clients send a request or read an answer at less than `minRate` bytes a second for a whole
 * `window`, in milliseconds. Returns a function that stops the checks.
 */
export const watch = (
  server: Server,
  sockets: ReadonlySet<Socket>,
  { minRate, window }: { readonly minRate: number; readonly window: number }
): () => void => {
  if (minRate <= 0 || window <= 0) return () => {}
  /** The last request of each connection. The request may be answered before all of its body is received. */
  const requests = new WeakMap<Socket, IncomingMessage>()
  const received = (request: IncomingMessage) => void requests.set(request.socket, request)
  server.on("request", received).on("checkContinue", received)
  const marks = new WeakMap<Socket, Progress & { readonly at: number }>()
  const look = (socket: Socket, at: number): void => {
    const progress = progressOf(socket, requests.get(socket), current(socket))
    const mark = marks.get(socket)
    if (progress === undefined) return void marks.delete(socket)
    if (mark?.of !== progress.of) return void marks.set(socket, { ...progress, at })
    if (at - mark.at < window) return
    if (progress.bytes - mark.bytes < minRate * (at - mark.at) / 1000) socket.destroy()
    else marks.set(socket, { ...progress, at })
  }
  const timer = setInterval(() => {
    const now = performance.now()
    for (const socket of sockets) look(socket, now)
  }, Math.ceil(window / 2)).unref()
  return () => clearInterval(timer)
}
