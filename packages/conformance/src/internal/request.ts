import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import { Wire } from "../Target.js"
import type { Sent } from "../Target.js"

/** The requests of checks. */

export const send = (request: Sent) => Effect.flatMap(Wire, (wire) => wire.send(request))

const accept = [...MediaType.manifests, "*/*"].join(", ")

/** Adds the `Accept` header of clients, which lists every kind of manifest. */
const withAccept = (path: string, headers: Sent["headers"]) =>
  path.includes("/manifests/") ? { accept, ...headers } : headers

export const get = (path: string, headers?: Sent["headers"]) =>
  send({ method: "GET", path, headers: withAccept(path, headers) })

export const head = (path: string, headers?: Sent["headers"]) =>
  send({ method: "HEAD", path, headers: withAccept(path, headers) })

export const remove = (path: string) => send({ method: "DELETE", path })
