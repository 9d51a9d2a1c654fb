import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import * as Range from "@effect-oci/protocol/Range"

// oxlint-disable-next-line typescript/no-explicit-any -- Node's own type of listeners.
type Listener = (...values: Array<any>) => void

/** The part of Node's `IncomingMessage` that a server uses. Its type is declared here, so that no type of Node is needed. */
export interface IncomingMessage {
  readonly headers: {
    readonly "content-length"?: string | undefined
    readonly "transfer-encoding"?: string | undefined
  }
  readonly destroyed: boolean
  readonly complete: boolean
  readonly socket: { readonly destroyed: boolean; readonly destroy: () => unknown }
  on(event: string, listener: Listener): this
  off(event: string, listener: Listener): this
  pause(): unknown
  resume(): unknown
  /** Returns received bytes that are in the buffer, or `null` if the buffer is empty. */
  read(): Uint8Array | null
}

/** The maximum part of an unwanted body that the server reads and discards, in bytes. */
const unwanted = 16 * 1024 * 1024

/**
 * Returns `undefined` if the request has no body or an empty body. Otherwise returns the declared size, which is
 * `undefined` for a chunked body.
 */
const sizeOf = ({ headers }: IncomingMessage): { readonly size: number | undefined } | undefined => {
  const size = Range.parseCount(headers["content-length"])
  return size === 0 || (size === undefined && headers["transfer-encoding"] === undefined) ? undefined : { size }
}

/**
 * Returns the body of a request. The body is read with event listeners, and the request is never destroyed, because the
 * answer must be sent on the same socket. The body can be read once. `onRead` is called when the reading starts.
 */
export const bodyOf = (request: IncomingMessage, onRead: () => void = () => {}): Body.Body | undefined => {
  const sized = sizeOf(request)
  if (sized === undefined) return undefined
  let taken = false
  return Body.fromSource((sink) => {
    if (taken) return readTwice(sink)
    taken = true
    return read(request, sized.size, sink, onRead)
  }, sized)
}

const readTwice = Source.fail(
  new RegistryError.BodyFailed({ reason: "the body of the request was read before; it can be read only once" })
)

const read = (
  request: IncomingMessage,
  size: number | undefined,
  sink: Source.Sink,
  onRead: () => void
): Source.Control => {
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
    if (over) return
    release()
    for (let rest = request.read(); rest !== null; rest = request.read()) {
      received += rest.byteLength
      sink.data(rest)
    }
    const of = size === undefined ? "" : ` of ${size}`
    sink.fail(new RegistryError.BodyFailed({ reason: `the request's body broke off after ${received}${of} bytes` }))
  }
  onRead()
  // The client may have disconnected before the registry reads the body. The bytes that it sent are in the buffer.
  if (request.destroyed) queueMicrotask(onBroken)
  else request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken)
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

/** Returns whether the rest of a body is longer than {@link discard} reads, so that the connection must close. */
export const isTooLong = (request: IncomingMessage): boolean =>
  !request.complete && (sizeOf(request)?.size ?? 0) > unwanted

/**
 * Returns how much of a body was not yet received when its request is answered. If the rest is or may be `much`, the
 * connection must close, because the server does not read such a body to its end.
 */
export const left = (request: IncomingMessage): "nothing" | "little" | "much" => {
  const sized = sizeOf(request)
  if (sized === undefined || request.complete || request.destroyed) return "nothing"
  return sized.size !== undefined && sized.size <= unwanted ? "little" : "much"
}

/**
 * Reads and discards the rest of a body after the answer. A client may not read the answer before it has sent the whole
 * body, and would lose the answer if the connection closed while it sends. Calls `done` at the end of the body, or when
 * the body is too long.
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
