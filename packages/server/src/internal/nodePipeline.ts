import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { current } from "./nodeTurn.js"

/** How many requests of one connection run at once, in addition to the request whose answer is next. */
const atOnce = 7

interface Waiting {
  readonly outgoing: ServerResponse
  readonly begin: () => void
}

/** The requests of a connection that arrived before earlier requests were answered. */
interface Pipeline {
  running: number
  readonly waiting: Array<Waiting>
}

/**
 * Returns whether a request is safe: it changes nothing. Only safe requests may run at once. See
 * https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2
 */
const isSafe = (outgoing: ServerResponse | undefined): boolean =>
  outgoing === undefined || outgoing.req.method === "GET" || outgoing.req.method === "HEAD"

/** Returns whether a response is next. Node gives a response its socket when the response is next. */
const isNext = ({ outgoing }: Waiting): boolean => outgoing.socket !== null

const run = (socket: Socket, pipeline: Pipeline, { begin, outgoing }: Waiting): void => {
  pipeline.running += 1
  outgoing.once("close", () => {
    pipeline.running -= 1
    proceed(socket, pipeline)
  })
  begin()
}

/** Begins the request whose answer is next, and the requests that may run at the same time. */
const proceed = (socket: Socket, pipeline: Pipeline): void => {
  for (let next = pipeline.waiting[0]; next !== undefined && socket.writable; next = pipeline.waiting[0]) {
    const isAhead = pipeline.running < atOnce && isSafe(next.outgoing) && isSafe(current(socket))
    if (!isNext(next) && !isAhead) return
    pipeline.waiting.shift()
    run(socket, pipeline, next)
  }
}

/**
 * Begins the requests of connections. A pipelined request begins only when few earlier answers are unsent, so that the
 * server does no more work for a client that does not read its answers. A connection with more than `max` waiting
 * requests is closed, because Node has already parsed these requests and keeps them in memory.
 */
export const make = (max: number) => {
  const pipelines = new WeakMap<Socket, Pipeline>()
  return (outgoing: ServerResponse, begin: () => void): void => {
    const next = { outgoing, begin }
    if (isNext(next)) return begin()
    const { socket } = outgoing.req
    const pipeline = pipelines.get(socket) ?? { running: 0, waiting: [] }
    pipelines.set(socket, pipeline)
    if (pipeline.waiting.length >= max) return void socket.destroy()
    pipeline.waiting.push(next)
    outgoing.once("socket", () => proceed(socket, pipeline))
    proceed(socket, pipeline)
  }
}
