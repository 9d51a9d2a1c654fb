import * as Answer from "@effect-oci/core/Answer"
import * as Body from "@effect-oci/core/Body"
import type * as Source from "@effect-oci/core/Source"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as incomingBody from "./incomingBody.js"
import { certificateOf } from "./nodeCertificates.js"
import * as nodePipeline from "./nodePipeline.js"
import * as report from "./report.js"
import type { Respond } from "./totalResponse.js"

/** Starts an effect immediately, in a fiber that can be interrupted only where the effect allows it. */
export type Run = <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>

/**
 * Creates the listener of a `node:http` server. A settled answer is written in the same tick,
 * without a fiber. Any other answer runs in a fiber, which is interrupted when the client disconnects. If the client
 * `waits` before it sends its body (`Expect: 100-continue`), the server sends 100 when the body is first read.
 */
export const listener = (run: Run, answer: Respond, maxPipelined: number) => {
  const begin = nodePipeline.make(maxPipelined)
  return (incoming: IncomingMessage, outgoing: ServerResponse, waits: boolean): void =>
    begin(outgoing, () => serve(run, answer, incoming, outgoing, waits))
}

const serve = (
  run: Run,
  answer: Respond,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  waits: boolean
): void => {
  let mayContinue = !waits
  let isReading = false
  const ask = () => {
    isReading = true
    if (!mayContinue) outgoing.writeContinue()
    mayContinue = true
  }
  const request: Wire.Request = {
    method: incoming.method ?? "GET",
    target: incoming.url ?? "/",
    headers: incoming.headers as Wire.Headers,
    body: incomingBody.bodyOf(incoming, ask),
    remoteAddress: incoming.socket.remoteAddress,
    certificate: certificateOf(incoming.socket)
  }
  const settle = (exit: Exit.Exit<Wire.Response>): void => {
    if (Exit.isFailure(exit)) return void outgoing.destroy()
    // A client that did not receive a 100 may still send its body or not: Node closes such a connection.
    const left = mayContinue ? incomingBody.left(incoming) : "nothing"
    if (left === "much") outgoing.shouldKeepAlive = false
    const end = left === "much" ? () => incomingBody.discard(incoming, () => outgoing.end()) : undefined
    write(exit.value, request, outgoing, run, end)
    if (left === "little") incomingBody.discard(incoming, () => {})
  }
  const effect = answer(request)
  const settled = Answer.settled(effect)
  if (settled !== undefined) return settle(settled)
  const fiber = run(effect)
  const exit = fiber.unsafePoll()
  if (exit !== null) return settle(exit)
  const isBroken = () => !incoming.complete && (isReading || incoming.readableLength > 0)
  interruptWith(incoming.socket, fiber, () => isBroken() ? brokenBodyPatience : 0)
  fiber.addObserver(settle)
}

/** Listens on the socket: a response that waits for earlier responses gets no event when the client disconnects. */
const onGone = (socket: Socket, gone: () => void): () => void => {
  socket.once("close", gone)
  return () => socket.off("close", gone)
}

/**
 * How long a request may continue after its body broke off, in milliseconds. The error of the body ends the request, and
 * before that the registry stores what it received, so that the client can resume the upload.
 */
const brokenBodyPatience = 10_000

/** Interrupts a fiber after the client has disconnected, with a delay in milliseconds. */
const interruptWith = (socket: Socket, fiber: Fiber.RuntimeFiber<unknown, unknown>, delay = () => 0): void =>
  fiber.addObserver(onGone(socket, () => {
    setTimeout(() => fiber.unsafeInterruptAsFork(FiberId.none), delay()).unref()
  }))

/** Writes a response. If `last` is present, `last` ends the response, later. */
const write = (
  response: Wire.Response,
  request: Wire.Request,
  outgoing: ServerResponse,
  run: Run,
  last: (() => void) | undefined
): void => {
  const { body, headers, status } = response
  const { socket } = outgoing.req
  if (socket.destroyed) return close(response, Exit.interrupt(FiberId.none), run)
  try {
    outgoing.writeHead(status, headers as Record<string, string>)
  } catch (defect) {
    close(response, Exit.die(defect), run)
    run(
      Effect.map(report.died(request, Cause.die(defect)), (response) => write(response, request, outgoing, run, last))
    )
    return
  }
  const done = (exit: Exit.Exit<void, unknown>) => {
    // Closes the connection, so that the client does not accept the partial content as complete.
    if (Exit.isFailure(exit)) outgoing.destroy()
    else if (last === undefined) outgoing.end()
    else last()
    close(response, exit, run)
  }
  if (body === undefined || (body.bytes !== undefined && body.bytes.byteLength <= pieceSize)) {
    if (last === undefined) {
      outgoing.end(body?.bytes)
      return close(response, Exit.void, run)
    }
    outgoing.flushHeaders()
    if (body?.bytes !== undefined) outgoing.write(body.bytes)
    return done(Exit.void)
  }
  pipe(body, (effect) => run(Effect.interruptible(effect)), outgoing, socket, done)
}

const close = (response: Wire.Response, exit: Exit.Exit<unknown, unknown>, run: Run): void => {
  if (response.close !== undefined) run(response.close(exit))
}

/** Pipes a body into a response. Only the body of a stream needs a fiber. */
const pipe = (
  body: Body.Body,
  fork: Source.Fork,
  outgoing: ServerResponse,
  socket: Socket,
  done: (exit: Exit.Exit<void, unknown>) => void
): void => {
  let over = false
  const finish = (exit: Exit.Exit<void, unknown>) => {
    if (over) return
    over = true
    outgoing.off("drain", resume)
    stay()
    done(exit)
  }
  let died: Cause.Cause<never> | undefined
  const content = Body.transform(body, () => ({
    die: (cause) => {
      died = cause
    }
  }))
  const resume = () => control.resume()
  const control: Source.Control = Body.toSource(content, fork)({
    data: (chunk) => outgoing.write(chunk, () => control.release?.(chunk)) || outgoing.writableLength < batchSize,
    end: () => finish(Exit.void),
    fail: (error) => finish(died === undefined ? Exit.fail(error) : Exit.failCause(died))
  })
  outgoing.on("drain", resume)
  const stay = onGone(socket, () => {
    control.cancel()
    finish(Exit.interrupt(FiberId.none))
  })
}

/** The number of bytes that may wait for the client. Chunks that arrive together are then one call of the system. */
const batchSize = 256 * 1024

/** The size of the largest body that is written at once, in bytes. Larger bodies wait for the client. */
const pieceSize = 64 * 1024
