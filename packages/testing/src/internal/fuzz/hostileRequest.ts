import * as Body from "@effect-oci/core/Body"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import * as hostile from "./hostile.js"
import type { Target } from "./target.js"

/** A request as plain data. A body may come in pieces, with an undeclared size, and may break off. */
export interface Sent {
  readonly method: string
  readonly target: string
  readonly headers: { readonly [name: string]: string }
  readonly body: string | Uint8Array | undefined
  readonly comes: "whole" | "in pieces" | "broken off"
}

const bodyOf = ({ body, comes }: Sent): Body.Body | undefined => {
  if (body === undefined) return undefined
  const bytes = hostile.bytesOf(body)
  const half = bytes.byteLength >> 1
  const pieces = Stream.make(bytes.subarray(0, half), bytes.subarray(half))
  switch (comes) {
    case "whole":
      return Body.bytes(bytes)
    case "in pieces":
      return Body.stream(pieces)
    case "broken off":
      return Body.stream(Stream.concat(pieces, Stream.fail(new Error("broken off"))), { size: bytes.byteLength + 1 })
  }
}

export const toWire = (sent: Sent): Wire.Request => ({
  method: sent.method,
  target: sent.target,
  headers: sent.headers,
  body: bodyOf(sent)
})

const fromWire = ({ body, headers, method, target }: Wire.Request): Sent => ({
  method,
  target,
  headers: Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
  ),
  body: body?.bytes,
  comes: "whole"
})

export const valid: fc.Arbitrary<Sent> = Arbitraries.operation.map((operation) => fromWire(Request.encode(operation)))

const headerValue = fc.oneof(
  fc.constantFrom(
    ..."0 5 -1 9007199254740992 0-4 4-0 bytes=0-4 bytes=5- bytes=-1 * application/json 100-continue \"x\"".split(" "),
    "text/plain; charset=utf-8",
    "a/b, c/d",
    "a".repeat(9000)
  ),
  hostile.text({ valid: fc.constantFrom("0-4", "bytes=0-4", "a/b"), pieces: [..."=-09/;,", "bytes"] })
)

const headerNames = [
  "content-type",
  "content-length",
  "content-range",
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "upload-offset",
  "docker-content-digest",
  "accept",
  "expect",
  "host",
  "__proto__"
]

const headers = fc.array(fc.tuple(fc.constantFrom(...headerNames), headerValue), { maxLength: 3 }).map((entries) =>
  Object.fromEntries(entries)
)

const content = hostile.json(
  Arbitraries.manifest.map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)) as unknown)
)

/** Pieces that change the meaning of a path or a query. */
const pieces =
  ("/v2/ / // /./ /../ %2f ..%2f ? & = # ; %3f a team/app blobs /blobs/uploads/ /manifests/ /tags/list /referrers/ " +
    "_catalog ?digest=sha256: &digest= ?mount= &from= ?n= &n=0 &last= ?tag=a&tag= ?digest-algorithm= " +
    "?artifactType= + %2B http://h *").split(" ")

const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") },
  { weight: 1, arbitrary: fc.constantFrom("OPTIONS", "get", "", "__proto__", "constructor", "G\nET", "X".repeat(1000)) }
)

/** Generates requests that are almost valid, from valid ones. */
export const near = (requests: fc.Arbitrary<Sent>): fc.Arbitrary<Sent> =>
  fc.record({
    sent: requests,
    method: fc.option(method, { freq: 3, nil: undefined }),
    target: hostile.edited(requests.map(({ target }) => target), pieces),
    another: fc.boolean(),
    headers: fc.option(headers, { nil: {} }),
    body: fc.option(content, { nil: undefined }),
    replaced: fc.boolean(),
    comes: fc.constantFrom("whole", "whole", "in pieces", "broken off")
  }).map(({ another, body, comes, headers, method, replaced, sent, target }): Sent => ({
    method: method ?? sent.method,
    target: another ? target : sent.target,
    headers: { ...sent.headers, ...headers },
    body: replaced ? body : sent.body,
    comes
  }))

const get = (target: string): Sent => ({ method: "GET", target, headers: {}, body: undefined, comes: "whole" })

const put = (headers: Sent["headers"]): Sent => ({
  method: "PUT",
  target: `/v2/a/blobs/uploads/b?digest=sha256:${"0".repeat(64)}`,
  headers,
  body: "abc",
  comes: "whole"
})

/** Returns the requests that take longest to read. */
export const worst: Target<Sent>["worst"] = [
  ...hostile.worst(["/", "a", "/v2/", "%2f", "%", "/blobs/uploads/", "http://", "?"]).map(({ make, name }) => ({
    name: `a path of ${name}`,
    make: (length: number) => get(`/v2/${make(length)}/tags/list`)
  })),
  ...hostile.worst(["n=1&", "&", "=", "%", "+", "last=", "a"]).map(({ make, name }) => ({
    name: `a query of ${name}`,
    make: (length: number) => get(`/v2/a/tags/list?${make(length)}`)
  })),
  ...["content-range", "upload-offset", "content-type", "if-match", "if-none-match"].flatMap((header) =>
    hostile.worst(["0", "-", "bytes ", "a", "/", ";", "*"]).map(({ make, name }) => ({
      name: `a ${header} of ${name}`,
      make: (length: number) => put({ [header]: make(length) })
    }))
  ),
  {
    name: "a push with as many tags as fit",
    make: (length) => ({
      ...get(`/v2/a/manifests/sha256:${"0".repeat(64)}?${"tag=a&".repeat(length / 6)}`),
      method: "PUT",
      headers: { "content-type": "a/b" },
      body: "{}"
    })
  }
]
