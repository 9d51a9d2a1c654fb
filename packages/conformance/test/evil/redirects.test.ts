/** Redirects, and who gets to see credentials on the way: CVE-2022-31151, GHSA-vh4v-2xq2-g5cg, GHSA-qvqc-4c52-x6qp. */
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
  giving,
  honest,
  image,
  repository,
  secretsOf,
  tag
} from "./setup.js"
import type { Evil } from "./setup.js"

const operations = {
  GET: (registry: Registry.Service) => Effect.asVoid(registry.getManifest(repository, tag)),
  HEAD: (registry: Registry.Service) => Effect.asVoid(registry.resolveBlob(repository, digest)),
  PUT: (registry: Registry.Service) =>
    Effect.asVoid(registry.pushManifest(repository, { mediaType: MediaType.image, bytes: image, tags: [tag] }))
}

/** Where a registry redirects to. */
interface Place {
  readonly home: { readonly host: string; readonly tls: boolean }
  readonly target: { readonly host: string; readonly tls: boolean } | "home"
  /** Whether the target leads back home. */
  readonly back?: boolean
  readonly isFollowed: boolean
}

const plain = (host: string) => ({ host, tls: false })
const tls = (host: string) => ({ host, tls: true })

const places: { readonly [name: string]: Place } = {
  "the same origin": { home: tls("registry.example"), target: "home", isFollowed: true },
  "another port": { home: tls("registry.example"), target: tls("registry.example"), isFollowed: true },
  "another host": { home: tls("registry.example"), target: tls("evil.example"), isFollowed: true },
  "a host below": { home: tls("registry.example"), target: tls("cdn.registry.example"), isFollowed: true },
  "https from http": { home: plain("registry.example"), target: tls("registry.example"), isFollowed: true },
  "http from https": { home: tls("registry.example"), target: plain("registry.example"), isFollowed: false },
  "another host and back": { home: tls("registry.example"), target: tls("evil.example"), back: true, isFollowed: true }
}

const rows = [301, 302, 303, 307, 308].flatMap((status) =>
  Object.entries(places).flatMap(([name, place]) =>
    (["GET", "HEAD", "PUT"] as const).map((method) => ({ status, name, place, method }))
  )
)

/** A registry behind a password, which redirects what it is asked, and who is there. */
const redirecting = (evil: Evil, place: Place, status: number) =>
  Effect.gen(function*() {
    const password = evil.secret()
    let target = ""
    let back = ""
    const isThere = (path: string) => path.startsWith("/there")
    const home = yield* evil.site(
      place.home,
      (asked, count) =>
        // Whoever comes back has nothing to show, and is let in without.
        asked.target === "/back" ? honest({ ...asked, target: `/v2/team/app/manifests/v1` }, count) : behindBasic(
          password,
          (asked, count) =>
            isThere(asked.target)
              ? honest({ ...asked, target: asked.target.slice("/there".length) }, count)
              : { status, headers: { location: `${target}${asked.target}` }, body: "over there" }
        )(asked, count)
    )
    const there: EvilRegistry.Script = (asked, count) =>
      place.back === true
        ? { status: 307, headers: { location: back } }
        : honest({ ...asked, target: asked.target.slice("/there".length) }, count)
    const other = place.target === "home" ? undefined : yield* evil.site(place.target, there)
    target = `${other?.origin ?? ""}/there`
    back = `${home.origin}/back`
    evil.belongs(password, home)
    return { home, other, password }
  })

describe("credentials do not go along with a redirect", () => {
  evilEach(
    rows,
    ({ method, name, status }) => `of ${method}, ${status} to ${name}`,
    ({ method, place, status }, evil) =>
      Effect.gen(function*() {
        const { home, other, password } = yield* redirecting(evil, place, status)
        const registry = yield* connect(evil, home, { credentials: alice(home, password) })
        const exit = yield* evil.ask(operations[method](registry))
        if (other === undefined) {
          expect(home.lines().some((line) => line.includes(" /there"))).toBe(true)
        } else {
          expect(other.asked.map(({ method }) => method)).toEqual(
            place.isFollowed ? [status === 303 && method === "PUT" ? "GET" : method] : []
          )
          expect(secretsOf(other)).toEqual([])
        }
        if (!place.isFollowed) {
          expect(exit).toMatchObject({ cause: { error: { _tag: "ResponseInvalid" } } })
          expect(String(exit)).toContain("from https to http")
        }
        // A 303 of a push leads to what is there, and not to what was pushed.
        if (place.isFollowed && method !== "PUT" && place.back !== true) expect(Exit.isSuccess(exit)).toBe(true)
        const returned = home.asked.filter(({ target }) => target === "/back")
        expect(returned.length).toBe(place.back === true ? 1 : 0)
        for (const { headers } of returned) expect(headers.map(([header]) => header)).not.toContain("authorization")
      })
  )
})

describe("who is redirected to gets nothing by asking for it", () => {
  const challenges: ReadonlyArray<readonly [name: string, challenge: (evil: string, real: string) => string]> = [
    ["a password", () => `Basic realm="registry"`],
    ["a password, and the like", () => `Digest realm="registry", Basic realm="registry", Negotiate`],
    ["a token of its own server", (evil) => `Bearer realm="${evil}/token",service="registry"`],
    ["a token of the registry's", (_, real) => `Bearer realm="${real}/token",service="registry"`],
    ["a token of the registry's, for all", (_, real) => `Bearer realm="${real}/token",scope="repository:team/app:*"`]
  ]
  const kinds = ["password", "token"] as const
  evilEach(
    kinds.flatMap((kind) => challenges.map(([name, challenge]) => ({ kind, name, challenge }))),
    ({ kind, name }) => `${name}, where the registry itself wants a ${kind}`,
    ({ challenge, kind }, evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        const token = evil.secret(
          kind === "token" ? undefined : { unsent: "the registry takes a password" }
        )
        const real = yield* evil.site({ host: "auth.registry.example", tls: true }, (asked, count) =>
          asked.headers.some(([name]) =>
              name === "authorization"
            )
            ? giving(token)(asked, count)
            : giving("nobody")(asked, count))
        let own = ""
        const other = yield* evil.site({ host: "evil.example", tls: true }, (asked, count) =>
          asked.target.startsWith("/token")
            ? giving("another")(asked, count)
            : { status: 401, headers: { "www-authenticate": challenge(own, real.origin) } })
        own = other.origin
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
        const exit = yield* evil.ask(registry.getManifest(repository, tag))
        expect(Exit.isFailure(exit)).toBe(true)
        // At most it is asked once more, as nobody.
        expect(
          other.lines().filter((line) =>
            line === "GET /blob"
          ).length
        ).toBeLessThanOrEqual(2)
        for (const { headers, target } of other.asked) {
          const shown = headers.filter(([name]) =>
            name === "authorization"
          ).map(([, value]) => value)
          expect(target === "/blob" ? [[], ["Bearer another"], ["Bearer nobody"]] : [[]]).toContainEqual(shown)
        }
      })
  )
})
