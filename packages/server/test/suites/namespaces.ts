import { RepositoryName } from "@effect-oci/core"
import { Guard, Policy } from "@effect-oci/guard"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { blob, blobDigest, fill, image } from "../fixtures.js"
import { check, run } from "../rows.js"
import type { Row } from "../rows.js"
import { start } from "../servers.js"
import type { Composition } from "../servers.js"

/** The repository `app` of one registry, and the same name at another one, which has nothing. */
const namespaces = {
  prefixes: { "hub.example": RepositoryName.make("team"), "other.example:5000": RepositoryName.make("other") }
}

const rows: ReadonlyArray<Row> = [
  ["a manifest", { path: "/v2/app/manifests/v1?ns=hub.example" }, {
    status: 200,
    headers: { "oci-namespace": "hub.example" },
    body: image
  }],
  ["a blob", { path: `/v2/app/blobs/${blobDigest}?ns=HUB.example` }, {
    status: 200,
    headers: { "oci-namespace": "hub.example" },
    body: blob
  }],
  ["the head of a manifest", { method: "HEAD", path: "/v2/app/manifests/v1?ns=hub.example" }, {
    status: 200,
    headers: { "oci-namespace": "hub.example" },
    body: ""
  }],
  ["the prefix in the path", { path: "/v2/team/app/manifests/v1" }, {
    status: 200,
    headers: { "oci-namespace": undefined },
    body: image
  }],
  ["both", { path: "/v2/team/app/manifests/v1?ns=hub.example" }, { status: 200, body: image }]
]

const refused: ReadonlyArray<Row> = [
  ["an address inside the network", { path: "/v2/app/manifests/v1?ns=169.254.169.254" }, {
    status: 404,
    headers: { "oci-namespace": undefined },
    code: "NAME_UNKNOWN"
  }],
  ["a host with a user", { path: "/v2/app/manifests/v1?ns=CANARY@hub.example" }, { status: 400, code: "NAME_INVALID" }],
  ["two hosts", { path: "/v2/app/manifests/v1?ns=hub.example&ns=other.example:5000" }, {
    status: 400,
    code: "NAME_INVALID"
  }],
  ["the list of its repositories", { path: "/v2/_catalog?ns=hub.example" }, { status: 405, code: "UNSUPPORTED" }]
]

export const proxying = (composition: Composition) => {
  describe("namespaces", () => {
    it.scoped.each(rows)("serve %s", ([, sent, expected]) =>
      Effect.gen(function*() {
        const server = yield* start(composition, { namespaces })
        yield* fill(server.registry)
        yield* run(server, sent, expected)
      }))

    it.scoped.each(refused)("refuse %s", ([, sent, expected]) =>
      Effect.gen(function*() {
        const server = yield* start(composition, { namespaces })
        yield* fill(server.registry)
        yield* run(server, sent, expected)
        expect(JSON.stringify(server.lines)).not.toContain("CANARY")
      }))

    it.scoped("have nothing of each other", () =>
      Effect.gen(function*() {
        const { ask, registry } = yield* start(composition, { namespaces })
        yield* fill(registry)
        const other = "ns=other.example:5000"
        check(yield* ask({ path: `/v2/app/manifests/v1?${other}` }), { status: 404 })
        check(yield* ask({ path: `/v2/app/blobs/${blobDigest}?${other}` }), { status: 404 })
        const mount = `/v2/app/blobs/uploads/?mount=${blobDigest}&from=app`
        check(yield* ask({ method: "POST", path: `${mount}&${other}` }), {
          status: 202,
          headers: { location: /^\/v2\/other\/app\/blobs\/uploads\// }
        })
        check(yield* ask({ method: "POST", path: `${mount.replace("/app/", "/b/")}&ns=hub.example` }), { status: 201 })
      }))

    it.scoped("are in the scopes that the guard requires", () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const guard = Guard.make({
          policy: Policy.make((_, { resource }) => {
            asked.push(resource)
            return resource === "team/app"
          })
        })
        const { ask, registry } = yield* start(composition, { namespaces, guard })
        yield* fill(registry)
        check(yield* ask({ path: "/v2/app/manifests/v1?ns=hub.example" }), { status: 200 })
        check(yield* ask({ path: "/v2/app/manifests/v1?ns=other.example:5000" }), { status: 403 })
        expect(asked).toEqual(["team/app", "other/app"])
      }))

    it.scoped("are ignored without the option", () =>
      Effect.gen(function*() {
        const { ask, registry } = yield* start(composition)
        yield* fill(registry)
        check(yield* ask({ path: "/v2/team/app/manifests/v1?ns=elsewhere.example" }), {
          status: 200,
          headers: { "oci-namespace": undefined }
        })
      }))
  })
}
