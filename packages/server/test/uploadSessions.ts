/** Requests that push blobs and open upload sessions, and their expected answers. */
import { Effect } from "effect"
import { blob } from "./fixtures.js"
import type { Answered } from "./http.js"
import { check } from "./rows.js"
import type { Expected } from "./rows.js"
import { start } from "./servers.js"
import type { Composition, Running } from "./servers.js"

export const uploads = "/v2/team/app/blobs/uploads/"
export const length0 = { "content-length": "0" }
export const octets = { "content-type": "application/octet-stream" }

export const accepted = (end: number, offset: number): Expected => ({
  status: 202,
  headers: {
    ...length0,
    location: /^\/v2\/team\/app\/blobs\/uploads\/[\w.-]+$/,
    range: `0-${end}`,
    "upload-offset": String(offset)
  },
  body: ""
})

export const created = (digest: string): Expected => ({
  status: 201,
  headers: { ...length0, location: `/v2/team/app/blobs/${digest}`, "docker-content-digest": digest },
  body: ""
})

export const location = (answer: Answered) => answer.headers.location ?? "/no-location"

export const withDigest = (path: string, digest: string) => `${path}${path.includes("?") ? "&" : "?"}digest=${digest}`

/** Opens an upload session that has the first ten bytes of the blob. */
export const begun = (composition: Composition) =>
  Effect.gen(function*() {
    const running = yield* start(composition)
    const started = yield* running.ask({ method: "POST", path: uploads, headers: length0 })
    const location = String(started.headers.location)
    check(yield* running.ask({ method: "PATCH", path: location, body: blob.subarray(0, 10) }), { status: 202 })
    const before = running.lines.length
    return { ...running, location, logged: () => running.lines.slice(before) }
  })

/** A server with an upload session, and what it logged since the session was opened. */
export type Begun = Running & { readonly location: string; readonly logged: () => Running["lines"] }
