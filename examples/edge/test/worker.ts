/** The worker in `workerd`, with two isolates over one database and one bucket. */
import * as NodeWorkers from "@effect-oci/testing/NodeWorkers"
import { Context, Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { fileURLToPath } from "node:url"

export const entry = fileURLToPath(new URL("../src/worker.ts", import.meta.url))
const sha256 = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`
export const password = "correct horse battery staple"

export class Edge extends Context.Tag("Edge")<Edge, NodeWorkers.Running>() {}

export const running = Layer.scoped(
  Edge,
  NodeWorkers.make({
    entry,
    databases: ["DB"],
    buckets: ["BUCKET"],
    texts: {
      UPLOAD_KEY: "a key that only this test has",
      USERS: ["admin", "alice"].map((name) => `${name}:${sha256(password)}`).join("\n").replaceAll(" ", ""),
      ADMINS: "admin",
      PUBLIC: "library"
    },
    isolates: 2
  })
)

/** Sends a request as a user to one of the isolates. */
export const send = (method: string, path: string, options: {
  readonly user?: string | undefined
  readonly isolate?: number
  readonly headers?: Record<string, string>
  readonly body?: BodyInit
} = {}) =>
  Effect.flatMap(Edge, ({ urls }) =>
    Effect.promise(() => {
      const { body, headers, isolate = 0, user = "admin" } = options
      const url = path.startsWith("/") ? `${urls[isolate]}${path}` : path
      return fetch(url, {
        method,
        // The runtime closes idle connections, which a next request would meet.
        headers: {
          connection: "close",
          ...headers,
          ...(user === "" ? {} : { authorization: `Basic ${btoa(`${user}:${password}`)}` })
        },
        ...(body === undefined ? {} : { body, duplex: "half" })
      })
    }))

/** Returns the path of the location of an upload. */
export const location = (response: Response): string => {
  const url = new URL(response.headers.get("location")!, response.url)
  return `${url.pathname}${url.search}`
}

/** Adds the digest to the path of an upload. */
export const withDigest = (path: string, digest: string) =>
  `${path}${path.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`
