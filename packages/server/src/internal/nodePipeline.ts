import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { current } from "./nodeTurn.js"

/** How many requests of one connection are answered at once, besides the one whose answer is next. */
const atOnce = 7

interface Waiting {
  readonly outgoing: ServerResponse
  readonly begin: () => void
}

/** The requests of a connection that came before earlier ones were answered. */
interface Pipeline {
  running: number
  readonly waiting: Array<Waiting>
}

/** Only requests that change nothing may be answered at once (RFC 9112, section 9.3.2). */
const isSafe = (outgoing: ServerResponse | undefined): boolean =>
  outgoing === undefined || outgoing.req.method === "GET" || outgoing.req.method === "HEAD"

/** A response has its socket when its turn has come. */
const isNext = ({ outgoing }: Waiting): boolean => outgoing.socket !== null

const run = (socket: Socket, pipeline: Pipeline, { begin, outgoing }: Waiting): void => {
  pipeline.running += 1
  outgoing.once("close", () => {
    pipeline.running -= 1
    proceed(socket, pipeline)
  })
  begin()
}

/** Begins the requests whose turn has come, and those that may be answered ahead of it. */
const proceed = (socket: Socket, pipeline: Pipeline): void => {
  for (let next = pipeline.waiting[0]; next !== undefined && socket.writable; next = pipeline.waiting[0]) {
    const isAhead = pipeline.running < atOnce && isSafe(next.outgoing) && isSafe(current(socket))
    if (!isNext(next) && !isAhead) return
    pipeline.waiting.shift()
    run(socket, pipeline, next)
  }
}

/**
 * Begins the requests of connections. A request that a client sends without waiting for earlier answers begins when few
 * of those are unsent, so that a client that does not read its answers does not get more of them made. A connection on
 * which more than `max` requests wait is closed: Node has parsed them and holds them in memory.
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
