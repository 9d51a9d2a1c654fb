import type { Body, Control } from "@effect-oci/core/Body"
import { exitOf } from "@effect-oci/core/Handler"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Answer } from "./answer.js"
import { bodyOf, drain } from "./nodeBody.js"
import { originForm } from "./platformAdapter.js"

/**
 * The listener of a `node:http` server. An answer that is at hand is written in the same tick, with no fiber; one that
 * has to wait runs in a fiber that ends with its client.
 */
export const listener = (runtime: Runtime.Runtime<never>, answer: Answer) => {
  const fork = Runtime.runFork(runtime)
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const target = incoming.url ?? "/"
    const body = bodyOf(incoming)
    const settle = (exit: Exit.Exit<Wire.Response>): void => {
      if (Exit.isFailure(exit)) outgoing.destroy()
      else if (body === undefined) write(exit.value, outgoing, fork)
      else drain(incoming, (drained) => write(exit.value, outgoing, fork, drained ? undefined : "close"))
    }
    const effect = answer({
      method: incoming.method ?? "GET",
      target: target.startsWith("/") ? target : originForm(target),
      headers: incoming.headers as Wire.Headers,
      body
    })
    const atHand = exitOf(effect)
    if (atHand !== undefined) return settle(atHand)
    const fiber = fork(effect)
    const exit = fiber.unsafePoll()
    if (exit !== null) return settle(exit)
    const interrupt = () => fiber.unsafeInterruptAsFork(fiber.id())
    outgoing.once("close", interrupt)
    fiber.addObserver((exit) => {
      outgoing.off("close", interrupt)
      settle(exit)
    })
  }
}

type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>

const write = (response: Wire.Response, outgoing: ServerResponse, fork: Fork, connection?: "close"): void => {
  const { body, headers, status } = response
  if (outgoing.destroyed) return closed(response, Exit.void, fork)
  if (connection !== undefined) outgoing.setHeader("connection", connection)
  outgoing.writeHead(status, headers as Record<string, string>)
  if (body === undefined) {
    outgoing.end()
    return closed(response, Exit.void, fork)
  }
  if (body.bytes !== undefined) {
    outgoing.end(body.bytes)
    return closed(response, Exit.void, fork)
  }
  if (body.source !== undefined) return pipe(body.source, outgoing, (exit) => closed(response, exit, fork))
  const settled = (exit: Exit.Exit<void, unknown>) =>
    Effect.zipRight(Effect.sync(() => Exit.isSuccess(exit) ? outgoing.end() : outgoing.destroy()), close(response, exit))
  fork(Effect.onExit(run(body, outgoing), settled))
}

const close = (response: Wire.Response, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  response.close?.(exit) ?? Effect.void

const closed = (response: Wire.Response, exit: Exit.Exit<unknown, unknown>, fork: Fork): void => {
  if (response.close !== undefined) fork(response.close(exit))
}

/** From one native end to the other, without a fiber: what breaks off is cut, so that the client does not take it for whole. */
const pipe = (
  source: NonNullable<Body["source"]>,
  outgoing: ServerResponse,
  done: (exit: Exit.Exit<void, unknown>) => void
): void => {
  let over = false
  const finish = (exit: Exit.Exit<void, unknown>) => {
    if (over) return
    over = true
    outgoing.off("drain", resume).off("close", gone)
    done(exit)
  }
  const resume = () => control.resume()
  const gone = () => {
    control.cancel()
    finish(Exit.interrupt(FiberId.none))
  }
  const control: Control = source({
    data: (chunk) => outgoing.write(chunk),
    end: () => {
      outgoing.end()
      finish(Exit.void)
    },
    fail: (error) => {
      outgoing.destroy()
      finish(Exit.fail(error))
    }
  })
  outgoing.on("drain", resume).on("close", gone)
}

/** A stream into a response, a chunk at a time, waiting where the socket asks for it. It ends with its client. */
const run = (body: Body, outgoing: ServerResponse) =>
  Stream.runForEachChunk(body.stream, (chunk) =>
    Effect.suspend(() => {
      let more = true
      for (const piece of chunk) more = outgoing.write(piece)
      return more ? Effect.void : drained(outgoing)
    })).pipe(Effect.raceFirst(gone(outgoing)))

const drained = (outgoing: ServerResponse): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    outgoing.once("drain", onDrain)
    return Effect.sync(() => outgoing.off("drain", onDrain))
  })

const gone = (outgoing: ServerResponse): Effect.Effect<never> =>
  Effect.async<never>((resume) => {
    const onClose = () => resume(Effect.interrupt)
    if (outgoing.destroyed) return onClose()
    outgoing.once("close", onClose)
    return Effect.sync(() => outgoing.off("close", onClose))
  })
