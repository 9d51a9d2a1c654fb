import type * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { Readable } from "node:stream"
import * as RequestBody from "../RequestBody.js"
import * as Transport from "../Transport.js"

/**
 * Creates a `Readable` of a source. The source is opened when the `Readable` is first read. The `Readable` fails after its
 * buffered chunks are read, so that the registry receives them.
 */
const toReadable = (source: Source.Source): Readable => {
  let control: Source.Control | undefined
  let failure: RegistryError.RegistryError | undefined
  return new Readable({
    read() {
      if (failure !== undefined) return void this.destroy(failure)
      if (control !== undefined) return control.resume()
      control = source({
        data: (chunk) => this.push(chunk),
        end: () => this.push(null),
        fail: (error) => {
          failure = error
          if (this.readableLength === 0) this.destroy(error)
        }
      })
    },
    destroy(error, done) {
      control?.cancel()
      done(error)
    }
  })
}

/** A transport that sends a body with a native source as a `Readable`, which undici writes to its socket. */
export const transport = Transport.makeIn((request, within, send) => {
  const { body } = request
  const source = body._tag === "Stream" ? RequestBody.contentOf(body).source : undefined
  if (source === undefined) return send(request, within)
  const { contentLength, contentType } = body
  const readable = HttpBody.raw(toReadable(source), { contentLength, contentType })
  // Without this, logs of the request would contain the state of the `Readable`.
  return send(HttpClientRequest.setBody(request, Object.assign(readable, { toJSON: () => body.toJSON() })), within)
})
