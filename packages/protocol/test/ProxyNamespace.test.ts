import { Digest, Operation, RepositoryName } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import * as ProxyNamespace from "../src/ProxyNamespace.js"
import * as Request from "../src/Request.js"
import type * as Wire from "../src/Wire.js"
import { operations } from "./arbitraries.js"
import { texts } from "./hostile.js"

const name = RepositoryName.make
const prefixes = {
  "docker.io": name("docker.io"),
  "index.docker.io": name("docker.io"),
  "localhost:5000": name("local"),
  "ghcr.io": name("ghcr.io")
}
const resolve = ProxyNamespace.make({ prefixes })
const digest = Digest.fromBytes(new Uint8Array(0))

/** Returns the target and the host, or the tag of the error. */
const outcome = (target: string, options: ProxyNamespace.Options = { prefixes }) =>
  Either.match(ProxyNamespace.make(options)(target), {
    onLeft: ({ _tag }): string => _tag,
    onRight: ({ host, target }) => `${target} ${host ?? "-"}`
  })

describe("a namespace", () => {
  const rows: ReadonlyArray<readonly [target: string, outcome: string]> = [
    ["/v2/library/a/manifests/v1?ns=docker.io", "/v2/docker.io/library/a/manifests/v1 docker.io"],
    ["/v2/library/a/manifests/v1?ns=index.docker.io", "/v2/docker.io/library/a/manifests/v1 index.docker.io"],
    ["/v2/library/a/manifests/v1?ns=Docker.IO", "/v2/docker.io/library/a/manifests/v1 docker.io"],
    [`/v2/a/blobs/${digest}?ns=localhost%3A5000`, `/v2/local/a/blobs/${digest} localhost:5000`],
    ["/v2/a/tags/list?n=2&ns=ghcr.io&last=b", "/v2/ghcr.io/a/tags/list?n=2&last=b ghcr.io"],
    ["/v2/a/tags/list?%6es=ghcr.io", "/v2/ghcr.io/a/tags/list ghcr.io"],
    // A client may write the prefix too, as in the `Location` or `Link` of a response.
    ["/v2/docker.io/library/a/manifests/v1?ns=docker.io", "/v2/docker.io/library/a/manifests/v1 docker.io"],
    ["/v2/docker.io/library/a/manifests/v1", "/v2/docker.io/library/a/manifests/v1 -"],
    // The name of one namespace below another one stays below that other one.
    ["/v2/ghcr.io/a/manifests/v1?ns=docker.io", "/v2/docker.io/ghcr.io/a/manifests/v1 docker.io"],
    [
      `/v2/a/blobs/uploads/?mount=${digest}&from=b%2Fc&ns=ghcr.io`,
      `/v2/ghcr.io/a/blobs/uploads/?mount=${digest}&from=ghcr.io%2Fb%2Fc ghcr.io`
    ],
    ["https://mirror.example/v2/a/manifests/v1?ns=ghcr.io", "/v2/ghcr.io/a/manifests/v1 ghcr.io"],
    ["/v2/?ns=ghcr.io", "/v2/?ns=ghcr.io -"],
    ["/v2/a/manifests/v1?ns=", "/v2/a/manifests/v1?ns= -"],
    ["/v2/_catalog", "/v2/_catalog -"],
    ["/v2/_catalog?ns=ghcr.io", "OciUnsupported"],
    ["/v2/a/manifests/v1?ns=quay.io", "OciNameUnknown"],
    ["/v2/a/manifests/v1?ns=169.254.169.254", "OciNameUnknown"],
    ["/v2/a/manifests/v1?ns=__proto__", "OciNameInvalid"],
    ["/v2/a/manifests/v1?ns=ghcr.io%2Fteam", "OciNameInvalid"],
    ["/v2/a/manifests/v1?ns=user@ghcr.io", "OciNameInvalid"],
    ["/v2/a/manifests/v1?ns=ghcr.io&ns=docker.io", "OciNameInvalid"],
    ["/v2/a/manifests/v1?ns=ghcr.io.", "OciNameInvalid"],
    ["/v2/a/manifests/v1?ns=ghcr.io%0d%0ax", "OciNameInvalid"]
  ]
  it.each(rows)("of %s: %s", (target, expected) => {
    expect(outcome(target)).toBe(expected)
  })

  const withDefault: ProxyNamespace.Options = { prefixes, default: "docker.io" }
  const implied: ReadonlyArray<readonly [target: string, outcome: string]> = [
    ["/v2/library/a/manifests/v1", "/v2/docker.io/library/a/manifests/v1 -"],
    ["/v2/ghcr.io/a/manifests/v1", "/v2/ghcr.io/a/manifests/v1 -"],
    ["/v2/local/a/manifests/v1", "/v2/local/a/manifests/v1 -"],
    [
      `/v2/a/blobs/uploads/?mount=${digest}&from=ghcr.io/b`,
      `/v2/docker.io/a/blobs/uploads/?mount=${digest}&from=ghcr.io%2Fb -`
    ],
    ["/v2/_catalog?n=2", "/v2/_catalog?n=2 -"],
    ["/v2/", "/v2/ -"]
  ]
  it.each(implied)("by default, of %s: %s", (target, expected) => {
    expect(outcome(target, withDefault)).toBe(expected)
  })

  it("is one of those that are configured, whatever the client sends", () => {
    fc.assert(fc.property(fc.oneof(texts, fc.domain(), fc.webUrl()), (text) => {
      const resolved = resolve(`/v2/a/manifests/v1?ns=${encodeURIComponent(text)}`)
      if (Either.isRight(resolved) && resolved.right.host !== undefined) {
        expect(Object.keys(prefixes)).toContain(resolved.right.host)
      }
    }))
  })

  const withNs = (target: string) => `${target}${target.includes("?") ? "&" : "?"}ns=ghcr.io`
  const below = (repository: RepositoryName.RepositoryName) => `ghcr.io/${repository}` as RepositoryName.RepositoryName
  const headOf = (request: Wire.Request) =>
    Effect.runSync(Effect.map(Request.decodeHead(request), ({ operation }) => operation))

  it("moves the repositories of every operation below its prefix, once, and changes nothing else", () => {
    fc.assert(fc.property(operations, (operation) => {
      const request = Request.encode(operation)
      const names = Operation.repositories(operation).map(({ repository }) => repository)
      fc.pre(operation._tag !== "ListRepositories" && names.every(({ length }) => length < 240))
      fc.pre(!("id" in operation && /^(?:\/|https?:)/i.test(operation.id)))
      const expected = headOf(request)
      const { target } = Either.getOrThrow(resolve(withNs(request.target)))
      const found = headOf({ ...request, target })
      if (expected._tag === "Ping" || found._tag === "Ping") throw new Error("a ping is not an operation")
      expect(found).toEqual(Operation.mapRepositories(expected, below))
      expect(Either.getOrThrow(resolve(target)).target).toBe(target)
      expect(Either.getOrThrow(resolve(withNs(target))).target).toBe(target)
    }))
  })
})

describe("options", () => {
  it.each([
    { title: "a key that is not a host", options: { prefixes: { "docker io": name("a") } } },
    { title: "a prefix below another", options: { prefixes: { "a.io": name("a"), "b.io": name("a/b") } } },
    { title: "a default without a prefix", options: { prefixes: { "a.io": name("a") }, default: "b.io" } }
  ])("are refused: $title", ({ options }) => {
    expect(() => ProxyNamespace.make(options)).toThrow(RangeError)
  })
})
