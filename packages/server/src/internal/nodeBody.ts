import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Range from "@effect-oci/protocol/Range"
import type { IncomingMessage } from "node:http"

/** How much of a body that nobody wants is read before the answer, and for how long, in milliseconds. */
const drainBytes = 16 * 1024 * 1024
const drainTime = 5_000

/**
 * The body of a request, read by its listeners and never destroyed: an answer has to go out on the same socket. It can
 * be read once.
 */
export const bodyOf = (request: IncomingMessage): Body.Body | undefined => {
  const size = Range.parseCount(request.headers["content-length"])
  if (size === 0 || (size === undefined && request.headers["transfer-encoding"] === undefined)) return undefined
  let taken = false
  return Body.fromSource((sink) => {
    let over = taken
    let received = 0
    const finish = (done: () => void) => {
      if (over) return
      release()
      done()
    }
    const onData = (chunk: Uint8Array) => {
      received += chunk.byteLength
      if (!sink.data(chunk) && !over) request.pause()
    }
    const onEnd = () => finish(sink.end)
    const onBroken = () =>
      finish(() =>
        sink.fail(
          new RegistryError.BodyFailed({
            reason: `the request's body broke off after ${received}${size === undefined ? "" : ` of ${size}`} bytes`
          })
        )
      )
    const release = () => {
      over = true
      request.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken)
    }
    if (taken || request.destroyed) {
      over = true
      queueMicrotask(() => sink.fail(new RegistryError.BodyFailed({ reason: "the request's body can be read once" })))
    } else {
      taken = true
      request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken)
    }
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
  }, { size })
}

/**
 * Reads what is left of a request's body, so that the client, which may not listen before it has sent all, hears the
 * answer. Calls back with `false` where that is too much: the connection cannot be used again.
 */
export const drain = (request: IncomingMessage, done: (drained: boolean) => void): void => {
  if (request.complete || request.destroyed) return done(request.complete)
  let budget = drainBytes
  const finish = (drained: boolean) => {
    clearTimeout(timer)
    request.off("data", onData).off("end", onEnd).off("close", onClose)
    done(drained)
  }
  const onData = (chunk: Uint8Array) => {
    budget -= chunk.byteLength
    if (budget < 0) {
      request.pause()
      finish(false)
    }
  }
  const onEnd = () => finish(true)
  const onClose = () => finish(false)
  const timer = setTimeout(onClose, drainTime)
  request.on("data", onData).on("end", onEnd).on("close", onClose)
  request.resume()
}
