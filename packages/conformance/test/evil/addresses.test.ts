/** Registries that direct a client to addresses of the client's network: CVE-2026-33990. */
import { RegistryError } from "@effect-oci/core"
import { describe, expect } from "@effect/vitest"
import { Cause, Effect, Exit, Stream } from "effect"
import type * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBasic,
  body,
  connect,
  descriptor,
  evil,
  evilEach,
  honest,
  repository,
  secretsOf,
  tag
} from "./setup.js"
import type { Evil, Site } from "./setup.js"

/** The ways in which a registry directs a client to a URL. */
const ways = {
  redirect: (to) => () => ({ status: 307, headers: { location: `${to}/v2/team/app/manifests/v1` } }),
  location: (to) => (request, count) =>
    request.method === "POST" ? { status: 202, headers: { location: `${to}/upload` } } : honest(request, count),
  link: (to) => (request, count) =>
    request.target.includes("/tags/list")
      ? {
        status: 200,
        headers: { link: `<${to}/v2/team/app/tags/list?n=1&last=v1>; rel="next"`, "content-type": "application/json" },
        body: `{"tags":["v1"]}`
      }
      : honest(request, count),
  realm: (to) => () => ({
    status: 401,
    headers: { "www-authenticate": `Bearer realm="${to}/token",service="registry"` }
  })
} satisfies { readonly [way: string]: (to: string) => EvilRegistry.Script }

type Way = keyof typeof ways

const operate = (way: Way, registry: Effect.Effect.Success<ReturnType<typeof connect>>) =>
  way === "location"
    ? Effect.asVoid(registry.pushBlob(repository, descriptor, body))
    : way === "link"
    ? Stream.runDrain(registry.listTags(repository))
    : Effect.asVoid(registry.getManifest(repository, tag))

/** Creates a registry that directs its client to a URL, and runs an operation. Default: private addresses are not allowed. */
const direct = (
  evil: Evil,
  way: Way,
  to: (home: Site) => string,
  options: Parameters<typeof connect>[2] = { allowPrivate: false }
) =>
  Effect.gen(function*() {
    // A realm receives credentials only if it is trusted.
    const password = evil.secret(way === "realm" ? { unsent: "the realm is refused" } : undefined)
    let target = ""
    const script: EvilRegistry.Script = (request, count) => ways[way](target)(request, count)
    const home = yield* evil.site(
      { host: "registry.example", tls: true },
      way === "realm" ? script : behindBasic(password, script)
    )
    target = to(home)
    evil.belongs(password, home)
    const registry = yield* connect(evil, home, { credentials: alice(home, password), ...options })
    return yield* evil.run(operate(way, registry))
  })

const errorOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined

const refusals: { readonly [way in Way]: ReadonlyArray<RegistryError.RegistryError["_tag"]> } = {
  redirect: ["OciRefused"],
  location: ["OciRefused"],
  // A list never continues on another host, whatever the address.
  link: ["OciResponseInvalid"],
  // Credentials are never sent to another domain.
  realm: ["OciRealmRefused", "OciRefused"]
}

const spellings = [
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f000001",
  "0177.0.0.1",
  "127.0.0.1.",
  "%31%32%37.0.0.1",
  "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1",
  "localhost",
  "a.localhost",
  "LOCALHOST.",
  "0.0.0.0",
  "0",
  "[::]",
  "[::1]",
  "[::127.0.0.1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:7f00:1]",
  "[::ffff:0:7f00:1]",
  "[64:ff9b::127.0.0.1]",
  "[2002:7f00:1::1]",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.0.1",
  "100.64.0.1",
  "169.254.169.254",
  "0xa9fea9fe",
  "[::ffff:169.254.169.254]",
  "[fe80::1]",
  "[fd00:ec2::254]",
  "224.0.0.1",
  "255.255.255.255"
]

describe("a client does not connect to a local or private address", () => {
  evilEach(
    spellings.map((host, index) => ({ host, way: (["redirect", "location", "realm", "link"] as const)[index % 4]! })),
    ({ host, way }) => `${host}, by ${way}`,
    ({ host, way }, evil) =>
      Effect.gen(function*() {
        // A server on this machine receives no connection, at any of its addresses.
        const inside = yield* evil.site({ host: "localhost", tls: true }, honest)
        const error = errorOf(yield* direct(evil, way, () => `https://${host}:${inside.port}`))
        expect(RegistryError.isRegistryError(error) && refusals[way].includes(error._tag)).toBe(true)
        expect(inside.connections()).toBe(0)
        expect(inside.requests).toEqual([])
      })
  )

  evilEach(
    ["redirect", "location", "realm"] as const,
    (way) => `the metadata service of a cloud over http, by ${way}`,
    (way, evil) =>
      Effect.gen(function*() {
        const error = errorOf(yield* direct(evil, way, () => "http://169.254.169.254"))
        expect(RegistryError.isRegistryError(error)).toBe(true)
      })
  )
})

describe("a client does not connect to a host name that resolves to", () => {
  const names: ReadonlyArray<readonly [name: string, answers: ReadonlyArray<ReadonlyArray<string>>]> = [
    ["a loopback address", [["127.0.0.1"]]],
    ["the metadata service of a cloud", [["169.254.169.254"]]],
    ["a private address", [["10.1.2.3"]]],
    ["an IPv4-mapped IPv6 address", [["::ffff:127.0.0.1"]]],
    ["several such addresses", [["169.254.169.254", "127.0.0.1", "::1"]]],
    ["another such address at the next lookup", [["fe80::1"], ["127.0.0.1"]]]
  ]
  evilEach(
    names.flatMap(([name, answers]) => (["redirect", "location"] as const).map((way) => ({ name, answers, way }))),
    ({ name, way }) => `${name}, by ${way}`,
    ({ answers, way }, evil) =>
      Effect.gen(function*() {
        const inside = yield* evil.site({ host: "evil.example", tls: true }, honest)
        evil.resolvesTo("evil.example", ...answers)
        const error = errorOf(yield* direct(evil, way, () => inside.origin))
        expect(error).toMatchObject({ _tag: "OciRefused", by: "NodeAddressGuard" })
        expect(inside.connections()).toBe(0)
      })
  )

  evil(
    "a private address, although another client may connect to the name: each connection is checked",
    (evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        const cdn = yield* evil.site({ host: "cdn.example" }, (request, count) => ({
          ...honest({ ...request, target: "/v2/team/app/manifests/v1" }, count),
          headers: { connection: "close", "content-type": "application/vnd.oci.image.manifest.v1+json" }
        }))
        const home = yield* evil.site(
          { host: "registry.example" },
          behindBasic(password, () => ({ status: 307, headers: { location: `${cdn.origin}/` } }))
        )
        evil.belongs(password, home)
        const options = { credentials: alice(home, password), allowPrivate: false }
        // The first client allows this host. The second does not.
        const trusting = yield* connect(evil, home, { ...options, allowPrivate: ["cdn.example"] })
        expect(Exit.isSuccess(yield* evil.run(trusting.getManifest(repository, tag)))).toBe(true)
        const other = yield* connect(evil, home, options)
        expect(errorOf(yield* evil.run(other.getManifest(repository, tag)))).toMatchObject({ _tag: "OciRefused" })
        expect(cdn.requests.length).toBe(1)
        expect(secretsOf(cdn)).toEqual([])
      })
  )
})

describe("a registry on this machine", () => {
  evil("may redirect to other servers on this machine", (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const beside = yield* evil.site({ host: "127.0.0.1" }, honest)
      const home = yield* evil.site(
        { host: "localhost" },
        behindBasic(password, ({ target }) => ({ status: 307, headers: { location: `${beside.origin}${target}` } }))
      )
      evil.belongs(password, home)
      const registry = yield* connect(evil, home, { credentials: alice(home, password), allowPrivate: false })
      expect(Exit.isSuccess(yield* evil.run(registry.getManifest(repository, tag)))).toBe(true)
      expect(beside.requests.length).toBe(1)
      expect(secretsOf(beside)).toEqual([])
    }))

  evil("may not redirect to other private addresses", (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const home = yield* evil.site(
        { host: "localhost" },
        behindBasic(password, () => ({ status: 307, headers: { location: "http://169.254.169.254/latest" } }))
      )
      evil.belongs(password, home)
      const registry = yield* connect(evil, home, { credentials: alice(home, password), allowPrivate: false })
      expect(errorOf(yield* evil.run(registry.getManifest(repository, tag)))).toMatchObject({ _tag: "OciRefused" })
    }))
})
