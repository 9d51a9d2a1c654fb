import type { Body, Control } from "@effect-oci/core/Body"
import { exitOf } from "@effect-oci/core/Handler"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as nodeBody from "./nodeBody.js"
import * as nodePipeline from "./nodePipeline.js"
import * as report from "./report.js"
import type { Answer } from "./totalAnswer.js"

/** Starts an effect at once, in a fiber that cannot be interrupted but where the effect lets it. */
export type Run = <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>

/**
 * The listener of a `node:http` server. An answer that is at hand is written in the same tick, with no fiber; one that
 * has to wait runs in a fiber that ends with its client. A client that `waits` for leave to send its body (`Expect:
 * 100-continue`) gets it when somebody reads that body.
 */
export const listener = (run: Run, answer: Answer, maxPipelined: number) => {
  const begin = nodePipeline.make(maxPipelined)
  return (incoming: IncomingMessage, outgoing: ServerResponse, waits: boolean): void =>
    begin(outgoing, () => serve(run, answer, incoming, outgoing, waits))
}

const serve = (run: Run, answer: Answer, incoming: IncomingMessage, outgoing: ServerResponse, waits: boolean): void => {
  let asked = !waits
  const ask = () => {
    if (!asked) outgoing.writeContinue()
    asked = true
  }
  const request: Wire.Request = {
    method: incoming.method ?? "GET",
    target: incoming.url ?? "/",
    headers: incoming.headers as Wire.Headers,
    body: nodeBody.bodyOf(incoming, ask),
    remoteAddress: incoming.socket.remoteAddress
  }
  const settle = (exit: Exit.Exit<Wire.Response>): void => {
    if (Exit.isFailure(exit)) return void outgoing.destroy()
    // Nobody can tell whether a client that was not asked for its body sends it: Node ends such a connection.
    const left = asked ? nodeBody.left(incoming) : "nothing"
    if (left === "much") outgoing.shouldKeepAlive = false
    const end = left === "much" ? () => nodeBody.discard(incoming, () => outgoing.end()) : undefined
    write(exit.value, request, outgoing, run, end)
    if (left === "little") nodeBody.discard(incoming, () => {})
  }
  const effect = answer(request)
  const atHand = exitOf(effect)
  if (atHand !== undefined) return settle(atHand)
  const fiber = run(effect)
  const exit = fiber.unsafePoll()
  if (exit !== null) return settle(exit)
  interruptWith(incoming.socket, fiber)
  fiber.addObserver(settle)
}

/** A response that waits for others on its connection never learns that the client is gone: its socket does. */
const onGone = (socket: Socket, gone: () => void): () => void => {
  socket.once("close", gone)
  return () => socket.off("close", gone)
}

/** A fiber that reads a body hears first that it broke off, which says more than an interruption. */
const interruptWith = (socket: Socket, fiber: Fiber.RuntimeFiber<unknown, unknown>): void =>
  fiber.addObserver(onGone(socket, () => setImmediate(() => fiber.unsafeInterruptAsFork(FiberId.none))))

/** Writes a response; `last` ends it where that is to wait. */
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
    // It is cut, so that the client does not take what it has for all.
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
  if (body.source !== undefined) return pipe(body.source, outgoing, socket, done)
  const fiber = run(Effect.interruptible(send(body.bytes === undefined ? body.stream : pieces(body.bytes), outgoing)))
  interruptWith(socket, fiber)
  fiber.addObserver(done)
}

const close = (response: Wire.Response, exit: Exit.Exit<unknown, unknown>, run: Run): void => {
  if (response.close !== undefined) run(response.close(exit))
}

/** From one native end to the other, without a fiber. */
const pipe = (
  source: NonNullable<Body["source"]>,
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
  const resume = () => control.resume()
  const control: Control = source({
    data: (chunk) => outgoing.write(chunk),
    end: () => finish(Exit.void),
    fail: (error) => finish(Exit.fail(error))
  })
  outgoing.on("drain", resume)
  const stay = onGone(socket, () => {
    control.cancel()
    finish(Exit.interrupt(FiberId.none))
  })
}

/** The largest piece of an answer that is written at once: what a client has read is known no finer. In bytes. */
const pieceSize = 64 * 1024

/** Bytes in pieces, so that it shows how much of them the client reads. */
const pieces = (bytes: Uint8Array): Body["stream"] =>
  Stream.rechunk(
    Stream.range(0, Math.ceil(bytes.byteLength / pieceSize) - 1).pipe(
      Stream.map((index) => bytes.subarray(index * pieceSize, (index + 1) * pieceSize))
    ),
    1
  )

/** A stream into a response, a chunk at a time, waiting where the socket asks for it. */
const send = (body: Body["stream"], outgoing: ServerResponse) =>
  Stream.runForEachChunk(body, (chunk) =>
    Effect.suspend(() => {
      let more = true
      for (const piece of chunk) more = outgoing.write(piece)
      return more ? Effect.void : drained(outgoing)
    }))

const drained = (outgoing: ServerResponse): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    outgoing.once("drain", onDrain)
    return Effect.sync(() => outgoing.off("drain", onDrain))
  })
