import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Range from "@effect-oci/protocol/Range"
import type { IncomingMessage } from "node:http"

/** How much of a body that nobody wants is read, in bytes. */
const unwanted = 16 * 1024 * 1024

/** Whether a request has a body that is not empty. */
const sizeOf = ({ headers }: IncomingMessage): { readonly size: number | undefined } | undefined => {
  const size = Range.parseCount(headers["content-length"])
  return size === 0 || (size === undefined && headers["transfer-encoding"] === undefined) ? undefined : { size }
}

/**
 * The body of a request, read by its listeners and never destroyed: an answer has to go out on the same socket. It can
 * be read once; `onRead` is called then.
 */
export const bodyOf = (request: IncomingMessage, onRead: () => void = () => {}): Body.Body | undefined => {
  const sized = sizeOf(request)
  if (sized === undefined) return undefined
  let taken = false
  return Body.fromSource((sink) => {
    const again = taken || request.destroyed
    taken = true
    return again ? broken(sink, "the request's body can be read once") : read(request, sized.size, sink, onRead)
  }, sized)
}

const read = (
  request: IncomingMessage,
  size: number | undefined,
  sink: Body.Sink,
  onRead: () => void
): Body.Control => {
  let over = false
  let received = 0
  const release = () => {
    over = true
    request.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken)
  }
  const onData = (chunk: Uint8Array) => {
    received += chunk.byteLength
    if (!sink.data(chunk) && !over) request.pause()
  }
  const onEnd = () => {
    release()
    sink.end()
  }
  const onBroken = () => {
    release()
    const of = size === undefined ? "" : ` of ${size}`
    sink.fail(new RegistryError.BodyFailed({ reason: `the request's body broke off after ${received}${of} bytes` }))
  }
  onRead()
  request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken)
  return {
    resume: () => {
      if (!over) request.resume()
    },
    cancel: () => {
      if (over) return
      release()
      request.pause()
    }
  }
}

const broken = (sink: Body.Sink, reason: string): Body.Control => {
  let cancelled = false
  queueMicrotask(() => {
    if (!cancelled) sink.fail(new RegistryError.BodyFailed({ reason }))
  })
  return {
    resume: () => {},
    cancel: () => {
      cancelled = true
    }
  }
}

/** Whether what is left of a body is more than {@link discard} reads, so that the connection ends with it. */
export const isTooLong = (request: IncomingMessage): boolean =>
  !request.complete && (sizeOf(request)?.size ?? 0) > unwanted

/**
 * How much is left of a body when its request is answered. Where it is `much`, or may be, the connection cannot go on:
 * nobody waits for the end of it.
 */
export const left = (request: IncomingMessage): "nothing" | "little" | "much" => {
  const sized = sizeOf(request)
  if (sized === undefined || request.complete || request.destroyed) return "nothing"
  return sized.size !== undefined && sized.size <= unwanted ? "little" : "much"
}

/**
 * Reads what is left of a body after the answer: a client may not listen before it has sent all, and does not hear an
 * answer on a connection that is closed while it sends. Calls back at the end of it, or where it is too much.
 */
export const discard = (request: IncomingMessage, done: () => void): void => {
  let budget = unwanted
  const finish = () => {
    request.off("data", onData).off("end", finish).off("close", finish)
    done()
  }
  const onData = (chunk: Uint8Array) => {
    budget -= chunk.byteLength
    if (budget < 0) finish()
  }
  request.on("data", onData).on("end", finish).on("close", finish)
  request.resume()
}
