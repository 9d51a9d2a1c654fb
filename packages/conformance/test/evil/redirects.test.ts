/** Credentials and redirects: CVE-2022-31151, GHSA-vh4v-2xq2-g5cg, GHSA-qvqc-4c52-x6qp. */
import type { Registry } from "@effect-oci/core"
import { MediaType } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBasic,
  behindBearer,
  connect,
  digest,
  evilEach,
  honest,
  image,
  repository,
  secretsOf,
  tag,
  tokenServer
} from "./setup.js"
import type { Evil } from "./setup.js"

const operations = {
  GET: (registry: Registry.Service) => Effect.asVoid(registry.getManifest(repository, tag)),
  HEAD: (registry: Registry.Service) => Effect.asVoid(registry.resolveBlob(repository, digest)),
  PUT: (registry: Registry.Service) =>
    Effect.asVoid(registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] }))
}

/** A redirect of a registry. */
interface RedirectCase {
  readonly home: { readonly host: string; readonly tls: boolean }
  readonly target: { readonly host: string; readonly tls: boolean } | "home"
  /** Whether the target redirects back to the registry. */
  readonly back?: boolean
  readonly isFollowed: boolean
}

const plain = (host: string) => ({ host, tls: false })
const tls = (host: string) => ({ host, tls: true })

const redirects: { readonly [name: string]: RedirectCase } = {
  "the same origin": { home: tls("registry.example"), target: "home", isFollowed: true },
  "another port": { home: tls("registry.example"), target: tls("registry.example"), isFollowed: true },
  "another host": { home: tls("registry.example"), target: tls("evil.example"), isFollowed: true },
  "a subdomain": { home: tls("registry.example"), target: tls("cdn.registry.example"), isFollowed: true },
  "https from http": { home: plain("registry.example"), target: tls("registry.example"), isFollowed: true },
  "http from https": { home: tls("registry.example"), target: plain("registry.example"), isFollowed: false },
  "another host and back": { home: tls("registry.example"), target: tls("evil.example"), back: true, isFollowed: true }
}

const rows = [301, 302, 303, 307, 308].flatMap((status) =>
  Object.entries(redirects).flatMap(([name, redirect]) =>
    (["GET", "HEAD", "PUT"] as const).map((method) => ({ status, name, redirect, method }))
  )
)

/** Creates a registry that requires a password and redirects every request, and the target of the redirects. */
const redirecting = (evil: Evil, redirect: RedirectCase, status: number) =>
  Effect.gen(function*() {
    const password = evil.secret()
    let target = ""
    let back = ""
    const isThere = (path: string) => path.startsWith("/there")
    const home = yield* evil.site(
      redirect.home,
      (request, count) =>
        // The client returns without credentials, and is accepted.
        request.target === "/back" ? honest({ ...request, target: `/v2/team/app/manifests/v1` }, count) : behindBasic(
          password,
          (request, count) =>
            isThere(request.target)
              ? honest({ ...request, target: request.target.slice("/there".length) }, count)
              : { status, headers: { location: `${target}${request.target}` }, body: "over there" }
        )(request, count)
    )
    const there: EvilRegistry.Script = (request, count) =>
      redirect.back === true
        ? { status: 307, headers: { location: back } }
        : honest({ ...request, target: request.target.slice("/there".length) }, count)
    const other = redirect.target === "home" ? undefined : yield* evil.site(redirect.target, there)
    target = `${other?.origin ?? ""}/there`
    back = `${home.origin}/back`
    evil.belongs(password, home)
    return { home, other, password }
  })

describe("a client does not send credentials to the target of a redirect", () => {
  evilEach(
    rows,
    ({ method, name, status }) => `of ${method}, ${status} to ${name}`,
    ({ method, redirect, status }, evil) =>
      Effect.gen(function*() {
        const { home, other, password } = yield* redirecting(evil, redirect, status)
        const registry = yield* connect(evil, home, { credentials: alice(home, password) })
        const exit = yield* evil.run(operations[method](registry))
        if (other === undefined) {
          expect(home.lines().some((line) => line.includes(" /there"))).toBe(true)
        } else {
          expect(other.requests.map(({ method }) => method)).toEqual(
            redirect.isFollowed ? [status === 303 && method === "PUT" ? "GET" : method] : []
          )
          expect(secretsOf(other)).toEqual([])
        }
        if (!redirect.isFollowed) {
          expect(exit).toMatchObject({ cause: { error: { _tag: "OciResponseInvalid" } } })
          expect(String(exit)).toContain("from https to http")
        }
        // A 303 for a push leads to other content.
        if (redirect.isFollowed && method !== "PUT" && redirect.back !== true) expect(Exit.isSuccess(exit)).toBe(true)
        const returned = home.requests.filter(({ target }) => target === "/back")
        expect(returned.length).toBe(redirect.back === true ? 1 : 0)
        for (const { headers } of returned) expect(headers.map(([header]) => header)).not.toContain("authorization")
      })
  )
})

describe("a client does not answer the challenge of a redirect target", () => {
  const challenges: ReadonlyArray<readonly [name: string, challenge: (evil: string, real: string) => string]> = [
    ["a password", () => `Basic realm="registry"`],
    ["several schemes", () => `Digest realm="registry", Basic realm="registry", Negotiate`],
    ["a token of its own token server", (evil) => `Bearer realm="${evil}/token",service="registry"`],
    ["a token of the registry's token server", (_, real) => `Bearer realm="${real}/token",service="registry"`],
    [
      "a token of the registry's token server, for all actions",
      (_, real) => `Bearer realm="${real}/token",scope="repository:team/app:*"`
    ]
  ]
  const kinds = ["password", "token"] as const
  evilEach(
    kinds.flatMap((kind) => challenges.map(([name, challenge]) => ({ kind, name, challenge }))),
    ({ kind, name }) => `${name}; the registry requires a ${kind}`,
    ({ challenge, kind }, evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        const token = evil.secret(
          kind === "token" ? undefined : { unsent: "the registry accepts a password" }
        )
        const real = yield* evil.site({ host: "auth.registry.example", tls: true }, (request, count) =>
          request.headers.some(([name]) =>
              name === "authorization"
            )
            ? tokenServer(token)(request, count)
            : tokenServer("anonymous")(request, count))
        let targetOrigin = ""
        const other = yield* evil.site({ host: "evil.example", tls: true }, (request, count) =>
          request.target.startsWith("/token")
            ? tokenServer("another")(request, count)
            : { status: 401, headers: { "www-authenticate": challenge(targetOrigin, real.origin) } })
        targetOrigin = other.origin
        const redirect: EvilRegistry.Script = () => ({ status: 307, headers: { location: `${other.origin}/blob` } })
        const home = yield* evil.site(
          { host: "registry.example", tls: true },
          kind === "password"
            ? behindBasic(password, redirect)
            : behindBearer(`Bearer realm="${real.origin}/token",service="registry"`, [token], redirect)
        )
        evil.belongs(password, kind === "password" ? home : real)
        evil.belongs(token, home, real)
        const registry = yield* connect(evil, home, { credentials: alice(home, password) })
        const exit = yield* evil.run(registry.getManifest(repository, tag))
        expect(Exit.isFailure(exit)).toBe(true)
        // The client may repeat the request once, with an anonymous token.
        expect(
          other.lines().filter((line) =>
            line === "GET /blob"
          ).length
        ).toBeLessThanOrEqual(2)
        for (const { headers, target } of other.requests) {
          const shown = headers.filter(([name]) =>
            name === "authorization"
          ).map(([, value]) => value)
          expect(target === "/blob" ? [[], ["Bearer another"], ["Bearer anonymous"]] : [[]]).toContainEqual(shown)
        }
      })
  )
})
