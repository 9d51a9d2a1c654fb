import * as Body from "@effect-oci/core/Body"
import { printable } from "@effect-oci/core/Printable"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as Range from "@effect-oci/protocol/Range"
import type { Received } from "@effect-oci/protocol/ResponseDecoder"
import type * as Wire from "@effect-oci/protocol/Wire"
import { phrase } from "@effect-oci/transport/HttpFailure"
import type { IdleTimers } from "@effect-oci/transport/IdleTimer"
import * as ResponseBody from "@effect-oci/transport/ResponseBody"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { explain } from "./explain.js"

/** The request that an answer belongs to. */
export interface RequestInfo {
  readonly origin: string
  readonly method: string
  readonly url: string | undefined
  readonly fields: RegistryError.ErrorFields
  readonly idleTimers: IdleTimers
}

/**
 * Returns the `Content-Encoding` of a body. The client requests `identity`, but some registries answer with an
 * encoding. Some do so for a layer that they send unencoded: Apache calls every `.gz` file `x-gzip`.
 */
const codingOf = (headers: HttpClientResponse["headers"]): string | undefined => {
  const coding = headers["content-encoding"]
  return coding === undefined || coding === "identity" || coding === "" ? undefined : coding
}

/** The errors that an encoded body causes if it is not decoded. */
const decodingErrors: ReadonlySet<string> = new Set([
  "OciResponseInvalid",
  "OciDigestInvalid",
  "OciSizeInvalid",
  "OciManifestInvalid"
])

/** How many bytes must arrive before they count as progress. */
const minProgress = 16 * 1024

/**
 * An answer whose body is read once, to a limit or as a stream. The body must have the length that the head announced.
 */
export class Incoming implements Received {
  readonly status: number
  readonly url: string
  readonly origin: string
  /** Completes the errors of decoding the answer. */
  readonly explain: (error: RegistryError.RegistryError) => RegistryError.RegistryError
  /** The `Content-Encoding` of the body, unless it is `identity`. */
  readonly coding: string | undefined
  private head: Wire.Headers
  /** The length of the body in bytes, if known. */
  private size: number | undefined
  private readonly content: ResponseBody.ResponseBody
  /** Ends the reading of the body with an error. It is `undefined` until the body is opened. */
  private end: ((why: string) => void) | undefined

  constructor(response: HttpClientResponse, private readonly request: RequestInfo) {
    // The platform creates the headers each time that they are read.
    const { headers } = response
    this.status = response.status
    this.coding = codingOf(headers)
    this.content = ResponseBody.fromResponse(response)
    // `fetch` decodes the body itself, so the length of the encoded body does not apply.
    const decoded = this.coding !== undefined && this.content.decodes && request.method !== "HEAD"
    this.head = decoded ? { ...headers, "content-length": undefined } : headers
    this.url = response.request.url
    this.origin = request.origin
    // V8 allocates a function that is written where a property is assigned among its old objects. Such a function would
    // keep the answer and its request alive until the whole heap is collected.
    const explained: Incoming["explain"] = (error) => explain(response, request.origin)(this.explainCoding(error))
    this.explain = explained
    this.size = request.method === "HEAD" || this.status === 204 || this.status === 304
      ? 0
      : Range.parseCount(this.headers["content-length"])
    if (this.size === 0) this.open(ignored)
  }

  get headers(): Wire.Headers {
    return this.head
  }

  /** Returns an error that reports the encoding, in place of an error that the encoding explains. */
  private explainCoding(error: RegistryError.RegistryError): RegistryError.RegistryError {
    return this.coding === undefined || this.status >= 300 || !decodingErrors.has(error._tag) ?
      error :
      new RegistryError.ResponseInvalid({
        ...this.request.fields,
        reason: `the registry's answer breaks the protocol: its body has the Content-Encoding ${
          printable(this.coding, 40)
        }, but the client requested identity`
      })
  }

  get body(): Body.Body {
    return this.size === 0 ? Body.empty : Body.fromSource((sink) => this.open(sink), { size: this.size })
  }

  /** Whether the body is being read, was read, or is empty. */
  get isOpened(): boolean {
    return this.end !== undefined
  }

  /** Adds a header that the registry omitted, and whose value comes from another request. */
  supply(name: "content-length" | "upload-offset", value: number): this {
    this.head = { ...this.head, [name]: String(value) }
    if (name === "content-length") this.size = value
    return this
  }

  bytes(limit: number): Effect.Effect<Uint8Array, RegistryError.RegistryError> {
    return Body.toBytes(this.body, { limit, onLimit: () => tooLong(limit) })
  }

  /** Closes a body that was not read to its end. */
  close(): Effect.Effect<void> {
    return Effect.sync(() => this.end === undefined ? this.content.close() : this.end("its scope was closed"))
  }

  /** Releases the answer. A body that was not opened is read to its end or closed. */
  release(): Effect.Effect<void> {
    if (this.isOpened) return Effect.void
    return this.size !== undefined && this.size > ResponseBody.maxDismissed
      ? this.close()
      : ResponseBody.dismiss(this.content)
  }

  private open(sink: Source.Sink): Source.Control {
    const { idleTimers } = this.request
    let received = 0
    let counted = 0
    let live = true
    const stop = () => {
      live = false
      idleTimer.stop()
      control.cancel()
    }
    const fail = (why: string) => {
      if (!live) return
      stop()
      sink.fail(this.broken(received, why))
    }
    const idleTimer = idleTimers.start(() =>
      fail(
        `${received === counted ? "nothing" : `less than ${minProgress} bytes`} arrived for ${
          Duration.format(idleTimers.idle)
        }`
      )
    )
    const control = this.content.open({
      data: (piece) => {
        received += piece.byteLength
        if (this.size !== undefined && received > this.size) {
          fail("the body is longer than its Content-Length")
          return false
        }
        if (received - counted >= minProgress) {
          counted = received
          idleTimer.reset()
        }
        if (sink.data(piece)) return true
        idleTimer.pause()
        return false
      },
      end: () => {
        if (this.size !== undefined && received < this.size) return fail("connection closed")
        stop()
        sink.end()
      },
      fail: (cause) => fail(phrase(cause))
    })
    this.end = fail
    return {
      resume: () => {
        idleTimer.reset()
        control.resume()
      },
      cancel: stop
    }
  }

  private broken(received: number, why: string): RegistryError.TransportError {
    const { fields, method, url } = this.request
    const count = this.size === undefined ? `${received}` : `${received} of ${this.size}`
    return new RegistryError.TransportError({
      ...fields,
      reason: `the answer ended after ${count} bytes: ${why}`,
      method,
      url
    })
  }
}

const ignored: Source.Sink = { data: () => true, end: () => {}, fail: () => {} }

const tooLong = (limit: number) =>
  new RegistryError.SizeInvalid({ limit, reason: `the answer has more than ${limit} bytes` })
